//! Headings that name columns, and lines below them: Zeek's logs and flow logs of a cloud.
#![no_main]

use lapwing_fuzz::{RECEIVED, parse_record, record};
use lapwing_model::{Origin, Reading};
use lapwing_source::Heading;

/// Before the input, so that the fuzzer need not find them itself.
const HEADS: [&str; 4] = [
    "",
    "#separator \\x09\n#unset_field\t-\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tduration\n",
    "#separator \\x09\n#path\thttp\n#fields\tts\tid.orig_h\tmethod\turi\tstatus_code\tresponse_body_len\n",
    "srcaddr dstaddr dstport protocol bytes packets start end action\n",
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((which, rest)) = data.split_first() else { return };
    let (mut heading, mut origin) = (Heading::default(), Origin::new("fuzz"));
    let text = [HEADS[usize::from(*which) % HEADS.len()].as_bytes(), rest].concat();
    for line in text.split(|&byte| byte == b'\n').take(64) {
        let is_heading = Heading::has(line);
        assert_eq!(heading.take(line, &mut origin), is_heading);
        assert!(origin.reading.columns.as_deref().is_none_or(|columns| columns.len() <= 16 << 10));
        if !is_heading {
            parse_record(&record(line, Reading { columns: origin.reading.columns.clone(), ..Reading::default() }, RECEIVED));
        }
    }
});
