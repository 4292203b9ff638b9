//! The log of an application of several services, as text or as JSON.

mod messages;

use crate::Settings;
use crate::classes::Class;
use crate::clock::{Clock, Style};
use crate::random::{Random, Zipf};
use crate::text::{push_address, push_number, push_padded};
use crate::world::{Actor, World};
use messages::{ERRORS, EXCEPTIONS, FATALS, KEYWORDS, Message, NORMAL, SERVICES};

#[derive(Debug)]
pub(crate) struct Application {
    clock: Clock,
    json: bool,
    frequency: Zipf,
    /// A service that is quiet until a time.
    quiet: Option<(usize, i64)>,
    /// Scratch for the message.
    message: String,
}

impl Application {
    pub(crate) fn new(settings: &Settings) -> Self {
        Application {
            clock: Clock::new(Style::Iso),
            json: settings.json,
            frequency: Zipf::new(NORMAL.len()),
            quiet: None,
            message: String::new(),
        }
    }

    fn write(&mut self, at: i64, level: &str, service: usize, logger: &str, out: &mut String) {
        let service = SERVICES[service];
        if self.json {
            out.push_str("{\"timestamp\":\"");
            self.clock.push(out, at);
            for part in ["\",\"level\":\"", level, "\",\"service\":\"", service, "\",\"logger\":\"", service, ".", logger] {
                out.push_str(part);
            }
            out.push_str("\",\"message\":\"");
            // Messages hold neither control characters nor backslashes; quotes they do.
            for (i, piece) in self.message.split('"').enumerate() {
                out.push_str(if i > 0 { "\\\"" } else { "" });
                out.push_str(piece);
            }
            out.push_str("\"}");
        } else {
            self.clock.push(out, at);
            let padding = &"      "[level.len().min(5)..];
            for part in [" ", level, padding, service, ".", logger, " ", &self.message] {
                out.push_str(part);
            }
        }
    }

    /// Fills the places of a message: `{n}` a number, `{id}` a long number, `{ip}` an address, `{ms}` a duration, `{x}` hex digits.
    fn fill(&mut self, text: &str, random: &mut Random) {
        let out = &mut self.message;
        out.clear();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            let (place, after) = after.split_once('}').unwrap_or((after, ""));
            match place {
                "n" => push_number(out, u64::from(random.between(1, 40))),
                "id" => push_number(out, u64::from(random.between(10_000, 99_999))),
                "ms" => push_number(out, 2 + (random.exponential() * 30.0) as u64),
                "slow" => push_number(out, 1_000 + (random.exponential() * 900.0) as u64),
                "ip" => push_address(out, random.address()),
                "x" => push_hex(out, random.next() as u32),
                _ => push_padded(out, u64::from(random.between(0, 99)), 2),
            }
            rest = after;
        }
        out.push_str(rest);
    }

    fn say(&mut self, at: i64, level: &str, message: &Message, random: &mut Random, out: &mut String) {
        self.fill(message.text, random);
        self.write(at, level, message.service, message.logger, out);
    }
}

/// Eight hex digits.
fn push_hex(out: &mut String, number: u32) {
    for shift in (0..8).rev() {
        out.push(char::from_digit(number >> (shift * 4) & 15, 16).unwrap_or('0'));
    }
}

impl World for Application {
    fn normal(&mut self, at: i64, random: &mut Random, out: &mut String) -> bool {
        // One error in a thousand lines is the life of an application.
        let (mut level, mut message) = if random.chance(0.001) {
            ("ERROR", &ERRORS[random.below(3)])
        } else {
            let message = &NORMAL[self.frequency.rank(random)];
            (message.level, message)
        };
        let mut returned = false;
        if let Some((service, until)) = self.quiet {
            while at < until && message.service == service {
                message = &NORMAL[self.frequency.rank(random)];
                level = message.level;
            }
            returned = at >= until && message.service == service;
            self.quiet = self.quiet.filter(|_| !returned);
        }
        self.say(at, level, message, random, out);
        returned
    }

    fn actor(&mut self, class: &Class, random: &mut Random) -> Actor {
        let choices = match class.name {
            "error-burst" => ERRORS.len() - 3,
            "new-exception" => EXCEPTIONS.len(),
            "fatal" => FATALS.len(),
            _ => KEYWORDS.len(),
        };
        Actor { variant: random.below(choices), ..Actor::default() }
    }

    fn attack(&mut self, class: &Class, actor: &mut Actor, at: i64, random: &mut Random, out: &mut String) {
        let number = actor.variant;
        match class.name {
            // Mostly the same error, now and then one of its neighbours in the list.
            "error-burst" => {
                let near = 3 + (number + usize::from(random.chance(0.2))) % (ERRORS.len() - 3);
                self.say(at, "ERROR", &ERRORS[near], random, out);
            }
            "new-exception" => self.say(at, "ERROR", &EXCEPTIONS[number], random, out),
            "fatal" => {
                let message = &FATALS[(number + actor.written as usize) % FATALS.len()];
                self.say(at, message.level, message, random, out);
            }
            _ => {
                let message = &KEYWORDS[(number + actor.written as usize) % KEYWORDS.len()];
                self.say(at, message.level, message, random, out);
            }
        }
    }

    fn quiet(&mut self, until: i64, random: &mut Random) -> bool {
        if self.quiet.is_some() {
            return false;
        }
        // The first three services speak often enough that their silence can be noticed.
        self.quiet = Some((random.below(3), until));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Line, generate};

    fn lines(json: bool) -> Vec<Line> {
        generate(Settings { kind: Kind::App, json, count: 20_000, ..Settings::default() }).collect()
    }

    #[test]
    fn a_line_is_time_level_logger_and_message() {
        for line in lines(false) {
            let words: Vec<&str> = line.text.split_whitespace().collect();
            assert!(words[0].starts_with("2026-01-05T") && words[0].ends_with('Z'), "{}", line.text);
            assert!(["INFO", "DEBUG", "WARN", "ERROR", "FATAL", "CRITICAL"].contains(&words[1]), "{}", line.text);
            assert!(words[2].contains('.') && words.len() > 4 && !line.text.contains(['{', '}']), "{}", line.text);
        }
    }

    #[test]
    fn json_lines_are_objects_whose_strings_are_closed() {
        for (json, text) in lines(true).iter().zip(lines(false)) {
            assert!(json.text.starts_with("{\"timestamp\":\"2026-01-05T") && json.text.ends_with("\"}"), "{}", json.text);
            assert_eq!(json.text.replace("\\\"", "").matches('"').count(), 20, "{}", json.text);
            assert_eq!(json.label, text.label);
        }
    }

    #[test]
    fn normal_levels_are_those_of_a_healthy_application() {
        let lines = generate(Settings { kind: Kind::App, count: 50_000, anomaly_share: 0.0, ..Settings::default() });
        let mut counts = std::collections::BTreeMap::<String, u32>::new();
        lines.for_each(|line| *counts.entry(line.text.split_whitespace().nth(1).unwrap_or("").to_owned()).or_default() += 1);
        assert!(
            counts["INFO"] > 40_000 && (300..5_000).contains(&counts["WARN"]) && (20..120).contains(&counts["ERROR"]),
            "{counts:?}"
        );
        assert!(!counts.contains_key("FATAL"));
    }

    #[test]
    fn a_quiet_service_says_nothing_until_its_marked_line() {
        let lines = lines(false);
        let i = lines.iter().position(|line| line.label.is_some_and(|label| label.class == "service-silence")).unwrap();
        let logger = |line: &Line| line.text.split_whitespace().nth(2).unwrap_or("").split('.').next().unwrap_or("").to_owned();
        let service = logger(&lines[i]);
        let before =
            lines[..i].iter().rev().filter(|line| line.label.is_none()).take_while(|line| logger(line) != service).count();
        assert!(before > 300, "{before} lines of others before {}", lines[i].text);
    }
}
