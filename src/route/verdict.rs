//! What is sure of a condition when the association is not known.

use super::explain::{Explanation, Reason};
use crate::config::Subject;

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It hangs on an AE title that is not known.
    Unknown,
}

/// Which AE titles of the association are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownTitles {
    /// The sender's.
    pub calling: bool,
    /// The one it called.
    pub called: bool,
}

impl Explanation<'_> {
    /// Whether the condition holds, as far as it can be known with these AE titles.
    pub fn verdict(&self, known: KnownTitles) -> Verdict {
        match &self.reason {
            Reason::Test {
                subject: Subject::CallingAe,
                ..
            } if !known.calling => Verdict::Unknown,
            Reason::Test {
                subject: Subject::CalledAe,
                ..
            } if !known.called => Verdict::Unknown,
            Reason::Test { .. } => {
                if self.holds {
                    Verdict::Yes
                } else {
                    Verdict::No
                }
            }
            Reason::Not(part) => match part.verdict(known) {
                Verdict::Yes => Verdict::No,
                Verdict::No => Verdict::Yes,
                Verdict::Unknown => Verdict::Unknown,
            },
            Reason::All(parts) => all_but(parts, Verdict::No, Verdict::Yes, known),
            Reason::Any(parts) => all_but(parts, Verdict::Yes, Verdict::No, known),
        }
    }
}

/// `decisive` when a part says so, `otherwise` when every part says that, else unknown.
fn all_but(
    parts: &[Explanation<'_>],
    decisive: Verdict,
    otherwise: Verdict,
    known: KnownTitles,
) -> Verdict {
    let verdicts = || parts.iter().map(|part| part.verdict(known));
    if verdicts().any(|verdict| verdict == decisive) {
        decisive
    } else if verdicts().any(|verdict| verdict == Verdict::Unknown) {
        Verdict::Unknown
    } else {
        otherwise
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Condition, Rule, Test};
    use crate::route::{SeriesContext, explain};
    use dicom_object::InMemDicomObject;

    #[test]
    fn an_unknown_title_leaves_open_only_what_hangs_on_it() {
        let ae = || Condition::Test {
            subject: Subject::CallingAe,
            test: Test::Equals("ORTHANC".into()),
        };
        let (yes, no) = (|| Condition::All(Vec::new()), || Condition::Any(Vec::new()));
        for (condition, expected) in [
            (ae(), Verdict::Unknown),
            (Condition::Not(Box::new(ae())), Verdict::Unknown),
            (Condition::All(vec![ae(), no()]), Verdict::No),
            (Condition::All(vec![ae(), yes()]), Verdict::Unknown),
            (Condition::Any(vec![ae(), yes()]), Verdict::Yes),
            (Condition::Any(vec![ae(), no()]), Verdict::Unknown),
        ] {
            let rules = [Rule {
                name: "r".into(),
                when: condition,
                tasks: Vec::new(),
                strategy: Default::default(),
                volume: Default::default(),
                segmentation: Default::default(),
                report: false,
                destinations: Vec::new(),
                priority: 0,
                hold_below: None,
            }];
            let series = SeriesContext {
                attributes: &InMemDicomObject::new_empty(),
                calling_ae: "",
                called_ae: "",
            };
            let unknown = KnownTitles {
                calling: false,
                called: false,
            };
            let explained = explain(&rules, &series);
            assert_eq!(explained[0].explanation.verdict(unknown), expected);
        }
    }
}
