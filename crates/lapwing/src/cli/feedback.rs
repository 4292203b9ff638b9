//! `lapwing feedback`: what people say of anomalies, told to a running service.

use std::io::Write;

use clap::{Args, Subcommand};
use lapwing_model::{AnomalyId, printable};
use serde_json::{Value, json};

use super::client::{Access, Address, Client};
use super::show::{json as json_line, thousands};
use super::{Exit, Failed};

/// Tell a running service that an anomaly is expected or real, see what that mutes, and take it back.
#[derive(Debug, Args)]
pub struct Feedback {
    #[command(subcommand)]
    what: What,
    /// The service
    #[arg(long, global = true, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    to: String,
    #[command(flatten)]
    access: Access,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What marking it as expected would have muted
    Preview { id: AnomalyId },
    /// Nothing to worry about: mute the same finding about the same entity
    Expected {
        id: AnomalyId,
        /// Until so many days from now
        #[arg(long, value_name = "N", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
    },
    /// Truly something: its detector was right
    Real { id: AnomalyId },
    /// Take back what was said
    Undo { id: AnomalyId },
    /// What was said, for people
    List,
    /// What was said, one JSON object a line
    Export,
}

/// Runs the command.
///
/// # Errors
/// Where the service cannot be reached, refuses, or has no such anomaly.
pub fn run(args: &Feedback) -> Result<Exit, Failed> {
    let mut out = std::io::stdout().lock();
    match args.what {
        What::Preview { id } => preview(&mut out, &args.get(&format!("/anomalies/{id}/reach"))?)?,
        What::Expected { id, days } => {
            args.say(&mut out, id, &json!({"state": "expected", "expires_days": days}))?;
            let scope = shown(&args.get(&format!("/anomalies/{id}/reach"))?["scope"]);
            writeln!(out, "muted for {days} days: {scope}; lapwing feedback undo {id} takes it back")?;
        }
        What::Real { id } => args.say(&mut out, id, &json!({"state": "real"}))?,
        What::Undo { id } => args.say(&mut out, id, &json!({"state": "open"}))?,
        What::List => list(&mut out, &args.get("/marks")?)?,
        What::Export => items(&args.get("/marks")?).try_for_each(|mark| json_line(&mut out, mark))?,
    }
    Ok(Exit::Clean)
}

impl Feedback {
    fn client(&self, path: &str) -> Result<Client, Failed> {
        Client::new(&self.access, Address::parse(&self.to)?.under(path))
    }

    fn get(&self, path: &str) -> Result<Value, Failed> {
        read(&self.client(path)?.get()?.body)
    }

    fn say(&self, out: &mut impl Write, id: AnomalyId, change: &Value) -> Result<(), Failed> {
        let body = change.to_string();
        let anomaly = read(&self.client(&format!("/anomalies/{id}"))?.patch(body.as_bytes())?.body)?;
        writeln!(out, "{id} is now {}: {}", shown(&anomaly["state"]), shown(&anomaly["reason"]))?;
        Ok(())
    }
}

fn preview(out: &mut impl Write, reach: &Value) -> std::io::Result<()> {
    let count = items(reach).count() as u64;
    writeln!(out, "would mute {}: {} of the anomalies that are kept", shown(&reach["scope"]), thousands(count))?;
    items(reach).take(20).try_for_each(|anomaly| {
        let [time, id, reason] = ["time", "id", "reason"].map(|key| shown(&anomaly[key]));
        writeln!(out, "  {time}  {id}  {reason}")
    })
}

fn list(out: &mut impl Write, marks: &Value) -> std::io::Result<()> {
    if items(marks).next().is_none() {
        return writeln!(out, "nothing was said yet; say something with lapwing feedback expected ID");
    }
    items(marks).try_for_each(|mark| {
        let [id, said, detector, rule] = ["anomaly", "said", "detector", "rule"].map(|key| shown(&mark[key]));
        let [scope, entity, expires] = ["scope", "entity", "expires"].map(|key| shown(&mark[key]));
        writeln!(out, "{id}  {said:<8}  {detector} {rule} about {scope} {entity}, until {expires}")
    })
}

fn items(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["items"].as_array().into_iter().flatten()
}

/// What a service says may hold log text.
fn shown(value: &Value) -> String {
    printable(value.as_str().unwrap_or_default().as_bytes()).to_string()
}

fn read(body: &[u8]) -> Result<Value, Failed> {
    serde_json::from_slice(body).map_err(|_| Failed::new("the answer is no JSON; is this the address of a lapwing service?"))
}
