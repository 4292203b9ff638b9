//! Writing numbers and addresses into a line without the cost of `format!`.

/// Decimal digits.
#[inline]
pub(crate) fn push_number(out: &mut String, number: u64) {
    push_padded(out, number, 1);
}

/// Decimal digits with leading zeros up to a width of at most 20.
#[inline]
pub(crate) fn push_padded(out: &mut String, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    while number > 0 {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    let first = first.min(digits.len() - width.min(20));
    // Digits are ASCII, so this never falls back.
    out.push_str(std::str::from_utf8(&digits[first..]).unwrap_or_default());
}

/// An IPv4 address in dotted form.
#[inline]
pub(crate) fn push_address(out: &mut String, address: u32) {
    let [a, b, c, d] = address.to_be_bytes();
    for (part, end) in [(a, "."), (b, "."), (c, "."), (d, "")] {
        push_number(out, u64::from(part));
        out.push_str(end);
    }
}

/// Milliseconds as seconds with three decimals.
#[inline]
pub(crate) fn push_seconds(out: &mut String, millis: u32) {
    push_number(out, u64::from(millis / 1_000));
    out.push('.');
    push_padded(out, u64::from(millis % 1_000), 3);
}

/// Percent-encodes what may not stand in a query (RFC 3986, 2.3); `plus` writes a space as `+`, as forms do.
pub(crate) fn push_encoded(out: &mut String, text: &str, plus: bool) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            b' ' if plus => out.push('+'),
            _ => {
                out.push('%');
                out.push(char::from(HEX[usize::from(byte >> 4)]));
                out.push(char::from(HEX[usize::from(byte & 15)]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn numbers_addresses_and_queries_read_as_usual() {
        assert_eq!(written(|out| push_number(out, 0)), "0");
        assert_eq!(written(|out| push_number(out, u64::MAX)), u64::MAX.to_string());
        assert_eq!(written(|out| push_padded(out, 7, 3)), "007");
        assert_eq!(written(|out| push_padded(out, 1234, 3)), "1234");
        assert_eq!(written(|out| push_address(out, 0x5000_0a01)), "80.0.10.1");
        assert_eq!(written(|out| push_seconds(out, 12_045)), "12.045");
        assert_eq!(written(|out| push_encoded(out, "a' or 1=1", true)), "a%27+or+1%3D1");
    }
}
