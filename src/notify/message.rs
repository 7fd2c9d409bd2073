//! What is said.

use crate::config::Event;
use crate::http_client::without_uids;
use chrono::{DateTime, Local, SecondsFormat};
use serde_json::{Value, json};

/// Things that a message tells one by one; the rest is counted.
const MOST_LINES: usize = 20;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What.
    pub event: Event,
    /// When.
    pub at: DateTime<Local>,
    /// Number of the job, where it is about one.
    pub job: Option<i64>,
    /// Number of the proposal, where it is about one.
    pub proposal: Option<i64>,
    /// Rules that it is about.
    pub rules: Vec<String>,
    /// The peer that did not take a result.
    pub destination: Option<String>,
    /// State of the job as it is now.
    pub state: Option<String>,
    /// Why, in a sentence from the job's record.
    pub reason: Option<String>,
}

/// One message about one or many things that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// AE title of the node.
    pub node: String,
    /// What happened, the oldest first; nothing for a test.
    pub told: Vec<Told>,
}

impl Message {
    /// One line: `IRISNODE: 37 series failed since 14:02`.
    pub fn subject(&self) -> String {
        let node = &self.node;
        match self.told.as_slice() {
            [] => format!("{node}: a test of `irisnode notify test`; nothing has happened"),
            [only] => format!("{node}: {}", only.in_words()),
            [first, ..] => {
                let counted: Vec<String> = Event::ALL
                    .into_iter()
                    .filter_map(|event| {
                        counted(
                            event,
                            self.told.iter().filter(|one| one.event == event).count(),
                        )
                    })
                    .collect();
                format!("{node}: {} since {}", counted.join(", "), clock(first.at))
            }
        }
    }

    /// The subject, then each thing on a line of its own, and what to type.
    pub fn text(&self) -> String {
        let mut text = self.subject();
        let lines = self.told.iter().take(MOST_LINES);
        for one in lines.filter(|_| self.told.len() > 1) {
            text += &format!("\n{}  {}", clock(one.at), one.in_words());
        }
        if self.told.len() > MOST_LINES {
            text += &format!("\nand {} more", self.told.len() - MOST_LINES);
        }
        let is = |events: &[Event]| self.told.iter().any(|one| events.contains(&one.event));
        if is(&[Event::Failed, Event::Undelivered, Event::Held]) {
            text += "\n`irisnode jobs` shows them.";
        }
        if is(&[Event::Proposed]) {
            text += "\n`irisnode teach list` shows what waits for approval.";
        }
        text
    }

    /// The same for a program.
    pub fn json(&self) -> Value {
        let events: Vec<Value> = self
            .told
            .iter()
            .map(|one| {
                json!({
                    "event": one.event.name(),
                    "at": one.at.to_rfc3339_opts(SecondsFormat::Secs, false),
                    "job": one.job,
                    "proposal": one.proposal,
                    "rules": one.rules,
                    "destination": one.destination,
                    "state": one.state,
                    "reason": one.reason.as_deref().map(without_uids),
                })
            })
            .collect();
        json!({
            "text": self.text(),
            "node": self.node,
            "version": env!("CARGO_PKG_VERSION"),
            "test": self.told.is_empty(),
            "count": self.told.len(),
            "events": events,
        })
    }
}

impl Told {
    fn in_words(&self) -> String {
        let number = |number: Option<i64>| number.map_or_else(|| "?".to_owned(), |n| n.to_string());
        let what = match self.event {
            Event::Failed => format!("job {} failed", number(self.job)),
            Event::Undelivered => format!(
                "a result of job {} was not delivered to {}",
                number(self.job),
                self.destination.as_deref().unwrap_or("its destination")
            ),
            Event::Held => format!("job {} is held for review", number(self.job)),
            Event::Proposed => format!("proposal {} waits for approval", number(self.proposal)),
            Event::NotReady => "readiness".to_owned(),
        };
        let rules = match self.rules.as_slice() {
            [] => String::new(),
            rules => format!(" (rule {})", rules.join(", ")),
        };
        let why = self
            .reason
            .as_deref()
            .map(|why| format!(": {}", without_uids(why)));
        format!("{what}{rules}{}", why.unwrap_or_default())
    }
}

/// `37 series failed`; nothing where there is none.
fn counted(event: Event, count: usize) -> Option<String> {
    let (one, many) = match event {
        Event::Failed => ("series failed", "series failed"),
        Event::Undelivered => ("result not delivered", "results not delivered"),
        Event::Held => ("series held for review", "series held for review"),
        Event::Proposed => ("proposal waiting", "proposals waiting"),
        Event::NotReady => ("change of readiness", "changes of readiness"),
    };
    match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    }
}

/// The time of day, and the day where it is not today.
fn clock(at: DateTime<Local>) -> String {
    let format = match at.date_naive() == Local::now().date_naive() {
        true => "%H:%M",
        false => "%F %H:%M",
    };
    at.format(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(job: i64) -> Told {
        Told {
            event: Event::Failed,
            at: Local::now(),
            job: Some(job),
            proposal: None,
            rules: vec!["abdominal CT".into()],
            destination: None,
            state: Some("failed".into()),
            reason: Some("PEER at 10.0.0.5:104 has no 1.2.826.0.1.3680043.8".into()),
        }
    }

    fn message(told: Vec<Told>) -> Message {
        Message {
            node: "IRISNODE".into(),
            told,
        }
    }

    #[test]
    fn one_thing_is_told_as_it_is_and_without_a_uid() {
        let said = message(vec![failed(12)]);
        assert_eq!(
            said.subject(),
            "IRISNODE: job 12 failed (rule abdominal CT): PEER at 10.0.0.5:104 has no (a UID)"
        );
        assert!(!said.json().to_string().contains("3680043"));
    }

    #[test]
    fn many_things_are_counted_and_the_first_are_listed() {
        let mut told: Vec<Told> = (1..=37).map(failed).collect();
        told.push(Told {
            event: Event::Held,
            ..failed(38)
        });
        let said = message(told);
        let subject = said.subject();
        assert!(
            subject.starts_with("IRISNODE: 37 series failed, 1 series held for review since "),
            "{subject}"
        );
        let text = said.text();
        assert!(
            text.contains("job 20 failed") && !text.contains("job 21 failed"),
            "{text}"
        );
        assert!(text.contains("and 18 more"), "{text}");
        assert_eq!(said.json()["count"], 38);
    }
}
