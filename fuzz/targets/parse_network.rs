//! What firewalls and sensors send: packet filters, ASA, FortiGate, CEF, LEEF, VPC flow logs, Zeek, Suricata.
#![no_main]

/// Before the input, so that the fuzzer need not find them itself.
const HEADS: [&str; 9] = [
    "",
    "<13>Mar  1 10:00:00 fw kernel: DROP IN=eth0 OUT= SRC=192.0.2.1 DST=192.0.2.2 ",
    "<134>Mar  1 10:00:00 gw filterlog: 5,,,1,em0,match,block,in,",
    "<166>%ASA-4-106023: Deny ",
    "<189>date=2025-03-01 time=10:00:00 logid=1 type=traffic srcip=192.0.2.1 dstip=192.0.2.2 ",
    "<13>Mar  1 10:00:00 dev CEF:0|a|b|1|2|c|5|src=192.0.2.1 ",
    "LEEF:2.0|a|b|1|c|",
    "2 123456789010 eni-1 172.31.9.69 ",
    "1740823200.123456\tC1\t10.0.0.5\t50000\t10.0.0.1\t53\t",
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((which, rest)) = data.split_first() else { return };
    let head = HEADS[usize::from(*which) % HEADS.len()];
    lapwing_fuzz::parse(None, &[head.as_bytes(), rest].concat());
});
