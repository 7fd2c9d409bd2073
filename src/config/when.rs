//! `[rule.when]`: from TOML to a [`Condition`], checking that each test can mean something.

use super::attribute::{self, Holds};
use super::condition::{Condition, Subject, Test};
use super::problem::Problem;
use super::section::Complaint;
use super::suggest::did_you_mean;
use super::value;
use dicom_core::VR;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Conditions inside conditions; nobody reads deeper, and recursion must end.
const DEEPEST: usize = 24;
const TESTS: [&str; 7] = ["equals", "one_of", "glob", "regex", "min", "max", "present"];
const GROUPINGS: [&str; 5] = ["all", "any", "not", "calling_ae", "called_ae"];

/// Reads the conditions of a table: every entry must hold. Entries keep the order they were written in.
pub(super) fn read(table: &DeTable<'_>, problems: &mut Vec<Problem>) -> Condition {
    read_nested(table, problems, 0)
}

fn read_nested(table: &DeTable<'_>, problems: &mut Vec<Problem>, depth: usize) -> Condition {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    if let Some((key, _)) = entries.first().filter(|_| depth > DEEPEST) {
        problems.push(
            Problem::error(key.span(), "the conditions are nested too deep", "too deep")
                .with_help("split the rule into several rules"),
        );
        return Condition::All(Vec::new());
    }
    let mut parts: Vec<Condition> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        match key.get_ref().as_ref() {
            "all" => parts.push(Condition::All(list("all", value, problems, depth))),
            "any" => {
                let alternatives = list("any", value, problems, depth);
                if value
                    .get_ref()
                    .as_array()
                    .is_some_and(|list| list.is_empty())
                {
                    problems.push(
                        Problem::error(value.span(), "`any` of nothing never holds", "empty list")
                            .with_help("give it at least one condition, or delete it"),
                    );
                }
                parts.push(Condition::Any(alternatives));
            }
            "not" => match value.get_ref().as_table() {
                Some(negated) if !negated.is_empty() => {
                    parts.push(Condition::Not(Box::new(read_nested(
                        negated,
                        problems,
                        depth + 1,
                    ))));
                }
                _ => problems.push(
                    Problem::error(
                        value.span(),
                        "`not` needs a condition",
                        value::kind(value.get_ref()),
                    )
                    .with_help("write for example not = { ImageType = \"LOCALIZER\" }"),
                ),
            },
            "calling_ae" => tests(
                &Subject::CallingAe,
                Holds::Text(VR::AE),
                key,
                value,
                &mut parts,
                problems,
            ),
            "called_ae" => tests(
                &Subject::CalledAe,
                Holds::Text(VR::AE),
                key,
                value,
                &mut parts,
                problems,
            ),
            name => match attribute::find(name) {
                Ok((tag, holds)) => {
                    let subject = Subject::Attribute {
                        name: name.to_owned(),
                        tag,
                    };
                    tests(&subject, holds, key, value, &mut parts, problems);
                }
                Err(complaint) => {
                    let near = GROUPINGS.iter().copied().chain(TESTS);
                    let complaint = match did_you_mean(name, near) {
                        Some(help) if !name.contains(',') => complaint.with_help(help),
                        _ => complaint,
                    };
                    problems.push(complaint.at(key.span()));
                }
            },
        }
    }
    match <[Condition; 1]>::try_from(parts) {
        Ok([only]) => only,
        Err(parts) => Condition::All(parts),
    }
}

/// The conditions of `all = [...]` or `any = [...]`, one a table.
fn list(
    word: &str,
    value: &Spanned<DeValue<'_>>,
    problems: &mut Vec<Problem>,
    depth: usize,
) -> Vec<Condition> {
    let help = format!("write {word} = [ {{ Modality = \"CT\" }}, {{ Modality = \"MR\" }} ]");
    let Some(items) = value.get_ref().as_array() else {
        problems.push(
            Problem::error(
                value.span(),
                format!("`{word}` must be a list of conditions"),
                format!("this is {}", value::kind(value.get_ref())),
            )
            .with_help(help),
        );
        return Vec::new();
    };
    let mut conditions = Vec::with_capacity(items.len());
    for item in items.iter() {
        match item.get_ref().as_table() {
            Some(table) if !table.is_empty() => {
                conditions.push(read_nested(table, problems, depth + 1))
            }
            _ => problems.push(
                Problem::error(
                    item.span(),
                    format!("an item of `{word}` is not a condition"),
                    value::kind(item.get_ref()),
                )
                .with_help(help.clone()),
            ),
        }
    }
    conditions
}

/// The tests of one subject: a plain value (equals), or a table of tests that must all hold.
fn tests(
    subject: &Subject,
    holds: Holds,
    key: &Spanned<toml::de::DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
    parts: &mut Vec<Condition>,
    problems: &mut Vec<Problem>,
) {
    let mut reader = Reader {
        name: key.get_ref().as_ref(),
        holds,
        problems,
    };
    let found = match value.get_ref() {
        DeValue::Table(table) => reader.table(table, &value.span()),
        DeValue::Array(_) => {
            reader.problems.push(
                Problem::error(
                    value.span(),
                    format!("`{}` is compared with a list", reader.name),
                    "a list",
                )
                .with_help("say what the list means: { one_of = [...] } when any of them will do"),
            );
            Vec::new()
        }
        plain => reader
            .text(plain, value.span())
            .map(Test::Equals)
            .into_iter()
            .collect(),
    };
    parts.extend(found.into_iter().map(|test| Condition::Test {
        subject: subject.clone(),
        test,
    }));
}

/// Reads the tests of one subject.
struct Reader<'n, 'p> {
    name: &'n str,
    holds: Holds,
    problems: &'p mut Vec<Problem>,
}

impl Reader<'_, '_> {
    fn table(&mut self, table: &DeTable<'_>, span: &Range<usize>) -> Vec<Test> {
        if table.is_empty() {
            self.problems.push(
                Problem::error(
                    span.clone(),
                    format!("`{}` is tested for nothing", self.name),
                    "empty",
                )
                .with_help(format!("known tests: {}", TESTS.join(", "))),
            );
        }
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut found = Vec::new();
        for (key, value) in entries {
            let (raw, at) = (value.get_ref(), value.span());
            let test = match key.get_ref().as_ref() {
                "equals" => self.text(raw, at).map(Test::Equals),
                "one_of" => self.one_of(raw, at),
                "glob" => self.pattern(raw, at, |text| {
                    globset::Glob::new(text)
                        .map(|glob| Test::Glob(glob.compile_matcher()))
                        .map_err(|e| e.kind().to_string())
                }),
                "regex" => self.pattern(raw, at, |text| {
                    regex::Regex::new(text)
                        .map(Test::Regex)
                        .map_err(|error| last_line(&error.to_string()))
                }),
                "present" => self.take(value::boolean(raw), at).map(Test::Present),
                "min" | "max" => None, // together, below
                other => {
                    let help = did_you_mean(other, TESTS)
                        .unwrap_or_else(|| format!("known tests: {}", TESTS.join(", ")));
                    self.problems.push(
                        Problem::error(
                            key.span(),
                            format!("there is no test `{other}`"),
                            "unknown test",
                        )
                        .with_help(help),
                    );
                    None
                }
            };
            found.extend(test);
        }
        found.extend(self.range(table));
        found
    }

    fn take<T>(&mut self, read: Result<T, Complaint>, span: Range<usize>) -> Option<T> {
        read.map_err(|complaint| {
            let message = format!("the test of `{}` {}", self.name, complaint.message);
            self.problems.push(
                Complaint {
                    message,
                    ..complaint
                }
                .at(span),
            );
        })
        .ok()
    }

    /// A value to compare with: a text, or a number written without quotes.
    fn text(&mut self, value: &DeValue<'_>, span: Range<usize>) -> Option<String> {
        if !self.can_be_compared(&span) {
            return None;
        }
        let text = match value {
            DeValue::Integer(_) => self.take(
                value::integer(value, i64::MIN, i64::MAX).map(|number| number.to_string()),
                span.clone(),
            )?,
            DeValue::Float(_) => self.take(
                value::number(value).map(|number| number.to_string()),
                span.clone(),
            )?,
            other => self.take(value::text(other), span.clone())?,
        };
        match self.holds {
            Holds::Number(vr) if text.parse::<f64>().is_err() => {
                self.problems.push(
                    Problem::error(
                        span,
                        format!("`{}` holds numbers ({vr})", self.name),
                        "never equal to this text",
                    )
                    .with_help("compare with a number, or use { min = ..., max = ... }"),
                );
                return None;
            }
            Holds::Text(VR::CS) if text.chars().any(char::is_lowercase) => {
                self.problems.push(
                    Problem::warning(
                        span,
                        format!("`{}` holds codes in capitals (CS)", self.name),
                        "small letters: hardly ever equal",
                    )
                    .with_help(format!("write {:?}", text.to_uppercase())),
                );
            }
            _ => {}
        }
        Some(text)
    }

    fn one_of(&mut self, value: &DeValue<'_>, span: Range<usize>) -> Option<Test> {
        let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
            self.problems.push(
                Problem::error(
                    span,
                    "`one_of` must be a list that is not empty",
                    value::kind(value),
                )
                .with_help("write for example { one_of = [\"CT\", \"MR\"] }"),
            );
            return None;
        };
        let before = self
            .problems
            .iter()
            .filter(|problem| !problem.is_warning)
            .count();
        let texts: Vec<String> = items
            .iter()
            .filter_map(|item| self.text(item.get_ref(), item.span()))
            .collect();
        let after = self
            .problems
            .iter()
            .filter(|problem| !problem.is_warning)
            .count();
        (before == after).then_some(Test::OneOf(texts))
    }

    fn pattern(
        &mut self,
        value: &DeValue<'_>,
        span: Range<usize>,
        compile: impl FnOnce(&str) -> Result<Test, String>,
    ) -> Option<Test> {
        if !self.can_be_compared(&span) {
            return None;
        }
        let text = self.take(value::text(value), span.clone())?;
        match compile(&text) {
            Ok(test) => Some(test),
            Err(why) => {
                self.problems.push(
                    Problem::error(span, format!("the pattern for `{}` is wrong", self.name), why)
                        .with_help("glob: `*` any text, `?` one character, `[ab]` one of, `{x,y}` either; regex: the syntax of the Rust regex crate, in 'single quotes' so that TOML leaves backslashes alone"),
                );
                None
            }
        }
    }

    fn range(&mut self, table: &DeTable<'_>) -> Option<Test> {
        let (low, high) = (table.get("min"), table.get("max"));
        let span = match (low, high) {
            (None, None) => return None,
            (Some(one), None) | (None, Some(one)) => one.span(),
            (Some(low), Some(high)) => {
                low.span().start.min(high.span().start)..low.span().end.max(high.span().end)
            }
        };
        if let Holds::Text(vr) = self.holds {
            self.problems.push(
                Problem::error(
                    span,
                    format!("`{}` holds texts ({vr}), not numbers", self.name),
                    "never within a range",
                )
                .with_help("use equals, one_of, glob or regex"),
            );
            return None;
        }
        if !self.can_be_compared(&span) {
            return None;
        }
        let mut bound = |value: Option<&Spanned<DeValue<'_>>>| match value {
            None => Some(None),
            Some(value) => self
                .take(value::number(value.get_ref()), value.span())
                .map(Some),
        };
        let (min, max) = (bound(low), bound(high));
        let (min, max) = (min?, max?);
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            self.problems.push(
                Problem::error(
                    span,
                    format!("the range for `{}` is empty", self.name),
                    "min is greater than max",
                )
                .with_help("exchange the two"),
            );
            return None;
        }
        Some(Test::Range { min, max })
    }

    /// Complains when the attribute holds items or bytes.
    fn can_be_compared(&mut self, span: &Range<usize>) -> bool {
        let what = match self.holds {
            Holds::Sequence => "a sequence of items",
            Holds::Bytes => "binary data",
            Holds::Text(_) | Holds::Number(_) | Holds::Unknown => return true,
        };
        self.problems.push(
            Problem::error(
                span.clone(),
                format!("`{}` holds {what}", self.name),
                "cannot be compared",
            )
            .with_help("only { present = true } or { present = false } can be asked of it"),
        );
        false
    }
}

/// The regex crate draws its own picture of the pattern; its last line says what is wrong.
fn last_line(error: &str) -> String {
    let line = error
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or(error);
    line.trim().trim_start_matches("error: ").to_owned()
}
