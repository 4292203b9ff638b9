//! Configuration files and environment variables of any text: read, or one clear error.
#![no_main]

use lapwing::cli::config::Sourced;
use libfuzzer_sys::arbitrary::Arbitrary;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    file: &'a [u8],
    variables: Vec<(&'a str, &'a str)>,
}

libfuzzer_sys::fuzz_target!(|input: Input<'_>| {
    let dir = lapwing_fuzz::scratch();
    let path = dir.path().join("lapwing.yaml");
    std::fs::write(&path, input.file).expect("written");
    let variables = input.variables.iter().take(8);
    let variables: Vec<_> = variables.map(|(name, value)| (format!("LAPWING__{name}"), (*value).to_owned())).collect();
    match Sourced::load(Some(&path), variables.into_iter()) {
        Ok(sourced) => drop(format!("{:?}", sourced.config)),
        Err(error) => assert!(error.to_string().len() < 1 << 16),
    }
});
