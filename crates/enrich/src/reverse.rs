//! Questions for the name of an address and their answers, as DNS writes them (RFC 1035). Who asks, and when, is others' business.

use std::net::IpAddr;

const PTR: u16 = 12;
const INTERNET: u16 = 1;
const HEADER: usize = 12;

/// Pointers of compressed names that are followed; more is a loop.
const JUMPS: usize = 32;

/// The name under which DNS keeps the name of an address.
#[must_use]
pub fn pointer_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let nibbles = (0..32).map(|at| format!("{:x}.", v6.to_bits() >> (4 * at) & 0xf));
            nibbles.collect::<String>() + "ip6.arpa"
        }
    }
}

/// A datagram that asks for the name of an address; `id` comes back with the answer.
#[must_use]
pub fn question(id: u16, address: IpAddr) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    // Recursion is desired; one question and nothing else.
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in pointer_name(address).split('.') {
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend(PTR.to_be_bytes());
    message.extend(INTERNET.to_be_bytes());
    message
}

/// The name that a datagram answers with; none where there is none.
///
/// # Errors
/// Where it answers something else, says that it cannot answer, or is damaged.
pub fn answer(message: &[u8], id: u16, address: IpAddr) -> Result<Option<String>, &'static str> {
    let short = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    let header = (short(0), short(2), short(4), short(6));
    let (Some(answered), Some(flags), Some(questions), Some(answers)) = header else { return Err("it is cut short") };
    if answered != id || flags & 0x8000 == 0 || questions != 1 {
        return Err("it answers something else");
    }
    let (name, after) = name(message, HEADER).ok_or("it is damaged")?;
    if !name.eq_ignore_ascii_case(&pointer_name(address)) {
        return Err("it answers something else");
    }
    match flags & 0xf {
        0 => {}
        3 => return Ok(None),
        _ => return Err("the server cannot answer"),
    }
    Ok(pointer(message, after + 4, answers))
}

/// The first name among so many answers, where it is one that can be shown.
fn pointer(message: &[u8], mut at: usize, answers: u16) -> Option<String> {
    for _ in 0..answers {
        let (_, after) = name(message, at)?;
        let fixed = message.get(after..after + 10)?;
        let kind = u16::from_be_bytes([fixed[0], fixed[1]]);
        let length = usize::from(u16::from_be_bytes([fixed[8], fixed[9]]));
        at = after + 10;
        if kind == PTR {
            return name(message, at).map(|(name, _)| name).filter(|name| is_host(name));
        }
        at += length;
    }
    None
}

/// Whoever owns an address says what its name is: only what a host may be called is believed.
fn is_host(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// The name at a place, and where what follows it begins.
fn name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let (mut name, mut after) = (String::new(), None);
    for _ in 0..JUMPS {
        loop {
            let length = usize::from(*message.get(at)?);
            match length {
                0 => return Some((name, after.unwrap_or(at + 1))),
                0xc0.. => break,
                64.. => return None,
                _ => {}
            }
            let label = std::str::from_utf8(message.get(at + 1..=at + length)?).ok()?;
            if !name.is_empty() {
                name.push('.');
            }
            name.push_str(label);
            if name.len() > 253 {
                return None;
            }
            at += length + 1;
        }
        after.get_or_insert(at + 2);
        at = usize::from(u16::from_be_bytes([message[at] & 0x3f, *message.get(at + 1)?]));
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The answer of a server, its name pointing back into the question.
    fn answered(id: u16, of: IpAddr, name: &str) -> Vec<u8> {
        let mut message = question(id, of);
        (message[2], message[3], message[7]) = (0x81, 0x80, 1);
        message.extend([0xc0, HEADER as u8, 0, 12, 0, 1, 0, 0, 0, 60]);
        let labels: Vec<u8> =
            name.split('.').flat_map(|label| [vec![label.len() as u8], label.as_bytes().to_vec()].concat()).collect();
        message.extend((labels.len() as u16 + 1).to_be_bytes());
        message.extend(labels);
        message.push(0);
        message
    }

    #[test]
    fn a_name_is_asked_for_and_read() {
        let of = address("203.0.113.9");
        assert_eq!(pointer_name(of), "9.113.0.203.in-addr.arpa");
        assert_eq!(answer(&answered(7, of, "host.example.net"), 7, of), Ok(Some("host.example.net".to_owned())));
        let v6 = address("2001:db8::1");
        assert!(pointer_name(v6).starts_with("1.0.0.0.") && pointer_name(v6).ends_with("8.b.d.0.1.0.0.2.ip6.arpa"));
        assert_eq!(answer(&answered(7, v6, "six.example"), 7, v6), Ok(Some("six.example".to_owned())));
    }

    #[test]
    fn what_answers_another_question_or_says_no_is_no_name() {
        let of = address("203.0.113.9");
        let good = answered(7, of, "host.example.net");
        assert_eq!(answer(&good, 8, of), Err("it answers something else"));
        assert_eq!(answer(&good, 7, address("203.0.113.8")), Err("it answers something else"));
        assert_eq!(answer(&question(7, of), 7, of), Err("it answers something else"), "a question is no answer");
        let with = |code: u8| {
            let mut message = good.clone();
            message[3] = 0x80 | code;
            answer(&message, 7, of)
        };
        assert_eq!((with(3), with(2)), (Ok(None), Err("the server cannot answer")));
        assert_eq!(answer(&answered(7, of, "a\u{1b}[2Jb"), 7, of), Ok(None), "what no host is called is not believed");
    }

    #[test]
    fn pointers_in_a_circle_end() {
        let of = address("203.0.113.9");
        let mut message = question(7, of);
        (message[2], message[7]) = (0x81, 1);
        let at = message.len() as u8;
        message.extend([0xc0, at]);
        assert_eq!(answer(&message, 7, of), Ok(None));
    }

    proptest! {
        #[test]
        fn nothing_that_comes_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let of = address("203.0.113.9");
            let _ = answer(&bytes, 7, of);
            let mut message = answered(7, of, "host.example.net");
            let at = at.index(message.len());
            message[at] = to;
            let _ = answer(&message, 7, of);
            let _ = answer(&message[..at], 7, of);
        }
    }
}
