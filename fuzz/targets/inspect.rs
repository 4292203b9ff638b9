//! Requests of any bytes: inspection ends, says the same again, and keeps to its bounds.
#![no_main]

use std::sync::{Arc, LazyLock};

use lapwing_inspect::{BUILTIN, Inspector, Place, Rules, conclude};
use libfuzzer_sys::arbitrary::Arbitrary;

static RULES: LazyLock<Arc<Rules>> = LazyLock::new(|| Arc::new(Rules::compile(BUILTIN).0));

#[derive(Debug, Arbitrary)]
struct Request<'a> {
    host: &'a [u8],
    target: &'a [u8],
    agent: &'a [u8],
    referrer: &'a [u8],
    body: &'a [u8],
    header: (&'a [u8], &'a [u8]),
    absent: bool,
}

fn inspect(inspector: &mut Inspector, request: &Request<'_>) {
    inspector.begin(request.host);
    inspector.value(Place::Line, b"", request.target);
    inspector.target(request.target);
    inspector.agent(request.agent);
    inspector.referrer(request.referrer);
    inspector.body(request.body);
    inspector.header(request.header.0, request.header.1);
}

libfuzzer_sys::fuzz_target!(|request: Request<'_>| {
    let mut inspector = Inspector::new(RULES.clone());
    inspect(&mut inspector, &request);
    let first = inspector.hits().to_vec();
    inspect(&mut inspector, &request);
    assert_eq!(first, inspector.hits(), "what came before changes what is found");
    for hit in &first {
        assert!(hit.value.len() <= 400 && hit.matched.len() <= 400 && hit.name.len() <= 400);
    }
    let found = conclude(&RULES, &first, request.absent);
    assert!(found.iter().all(|found| !found.hits.is_empty()));
});
