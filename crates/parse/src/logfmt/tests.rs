use crate::testing::{check, told};

#[test]
fn reads_pairs() {
    check(&[
        (
            r#"time="2024-03-01T12:00:00Z" level=warning msg="disk \"sda\" is\nslow" component=io took=12ms id=7"#,
            "logfmt at=2024-03-01T12:00:00Z level=WARN took=12ms logger=io message=disk \"sda\" is\nslow +id=7",
        ),
        (
            "ts=1709294400.5 level=info method=GET path=/a status=200 duration=0.25 remote_addr=1.2.3.4",
            "logfmt at=2024-03-01T12:00:00.5Z level=INFO client=1.2.3.4 took=250ms status=200 method=GET target=/a",
        ),
        ("a=1 b= c=3 d=4 e=5 f=6 g=7 h=8 retry", "logfmt +a=1 +c=3 +d=4 +e=5 +f=6 +g=7 +h=8"),
    ]);
}

#[test]
fn text_with_pairs_in_it_is_no_logfmt() {
    for line in [
        "user=bob logged in",
        "a=1",
        "x=1 y=2 and then more words",
        "authentication failure; uid=0 euid=0",
        "a=\"open b=1",
        "=1 =2",
    ] {
        assert!(!told(line).starts_with("logfmt"), "{line}");
    }
}
