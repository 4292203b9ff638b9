//! The matcher against its plain twin: every regex tried on every reading of every value, one after another.

use std::sync::Arc;

use lapwing_inspect::decode::{decode, once};
use lapwing_inspect::marks::marks;
use lapwing_inspect::{BUILTIN, Inspector, Place, Rules, View};
use proptest::prelude::*;

/// Pieces that attacks are made of, and what stands between them.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "'",
        "\"",
        " or ",
        "1=1",
        " union select ",
        "--",
        "/*",
        "*/",
        "../",
        "..\\",
        "etc/passwd",
        "<script>",
        "<img src=x ",
        "onerror=",
        "alert(1)",
        "javascript:",
        ";",
        "|",
        "&&",
        "id",
        "cat ",
        "$(",
        "`",
        "${jndi:",
        "{{7*7}}",
        "%0d%0a",
        "%27",
        "%2e%2e/",
        "&lt;",
        "http://",
        "(",
        ")",
        "a",
        "5",
        ",",
        " ",
        "select ",
        "from users",
        "sleep(5)",
        "php://",
        "<!entity ",
        "$ne",
        "*)(uid=*",
        "\\x3c",
        "=",
        "and ",
        "null",
    ];
    prop_oneof![6 => proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned), 1 => "[ -~]{1,4}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn literals_never_hide_a_match(pieces in proptest::collection::vec(piece(), 1..9)) {
        let rules = Arc::new(Rules::compile(BUILTIN).0);
        let value = pieces.concat();
        let mut inspector = Inspector::new(rules.clone());
        inspector.begin(b"");
        inspector.value(Place::Value, b"q", value.as_bytes());
        let mut found: Vec<_> = inspector.hits().iter().map(|hit| hit.rule).collect();
        found.sort_unstable();
        let mut text = Vec::new();
        decode(value.as_bytes(), true, &mut text);
        text.make_ascii_lowercase();
        let signs = marks(&text) & lapwing_inspect::marks::SIGNS != 0 || text.ends_with(b"--");
        let mut readings = vec![(View::Text, text.clone())];
        for view in View::ALL {
            let mut out = Vec::new();
            if view.read(&text, marks(&text), &mut out) {
                readings.push((view, out));
            }
        }
        let mut wire = Vec::new();
        if once(value.as_bytes(), true, &mut wire) && wire.to_ascii_lowercase() != text {
            readings.push((View::Wire, wire.to_ascii_lowercase()));
        }
        let expected: Vec<_> = (0..rules.rules().len())
            .filter(|&number| readings.iter().any(|(view, text)| rules.rules()[number].matches_plainly(Place::Value, b"q", (*view, text), signs)))
            .collect();
        // A plain word is not looked at at all.
        let plain = marks(value.as_bytes()) & !lapwing_inspect::marks::PLAIN == 0;
        prop_assert!(plain || found == expected, "{value}: {found:?} instead of {expected:?}");
    }
}
