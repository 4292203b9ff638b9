//! A story in a sentence.

use lapwing_model::{Entity, Incident, Scope, Step, printable};

/// More than so many things are not told in a title.
const MOST: usize = 6;

/// `203.0.113.9 scanned ports of 10.0.0.5, then guessed passwords; then 10.0.0.5 sent data out`.
pub(super) fn of(incident: &Incident) -> String {
    let mut said: Vec<(String, String)> = Vec::new();
    for step in &incident.timeline {
        let (who, what) = (who(&step.entity), what(step));
        if said.len() < MOST && !said.contains(&(who.clone(), what.clone())) {
            said.push((who, what));
        }
    }
    let mut title = String::new();
    for (at, (who, what)) in said.iter().enumerate() {
        let same = at > 0 && said[at - 1].0 == *who;
        match (at, same) {
            (0, _) => {}
            (_, true) => title += ", then ",
            (_, false) => title += "; then ",
        }
        if !same {
            title += who;
            title.push(' ');
        }
        title += what;
    }
    title
}

fn who(entity: &Entity) -> String {
    let name = entity.name.split(" > ").next().unwrap_or(&entity.name);
    let shown = printable(name.as_bytes()).within(100).to_string();
    match entity.scope {
        Scope::Client | Scope::Victim | Scope::Pair | Scope::Network | Scope::Host => shown,
        scope => format!("{scope} {shown}"),
    }
}

fn what(step: &Step) -> String {
    let to = match step.entity.scope {
        Scope::Pair => {
            step.entity.name.split(" > ").nth(1).map_or(String::new(), |to| printable(to.as_bytes()).within(100).to_string())
        }
        _ => String::new(),
    };
    let with = |verb: &str, link: &str| if to.is_empty() { verb.to_owned() } else { format!("{verb} {link} {to}") };
    match &*step.class {
        "port-scan" | "host-sweep" => with("scanned ports", "of"),
        "brute-force" | "credential-stuffing" => with("guessed passwords", "of"),
        "password-spraying" => "tried passwords on many accounts".to_owned(),
        "user-enumeration" => "looked for accounts".to_owned(),
        "success-after-failures" => "got in after failed logins".to_owned(),
        "exfiltration" => with("sent much data out", "to"),
        "beacon" => with("called home", "to"),
        "dns-tunnel" => "sent data through the DNS".to_owned(),
        "lateral-movement" => "reached for many hosts inside".to_owned(),
        "flood" if step.entity.scope == Scope::Victim => "was flooded".to_owned(),
        "flood" => "sent a flood".to_owned(),
        "new-service" => "answered on a port it never had".to_owned(),
        "long-connection" => with("stayed connected", "to"),
        class => format!("showed {}", printable(class.replace('-', " ").as_bytes()).within(60)),
    }
}
