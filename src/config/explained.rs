//! What `plugin-config/irisnode.toml` says of each option: the one place where options are explained.

/// The configuration with every option explained.
pub(super) const REFERENCE: &str = include_str!("../../plugin-config/irisnode.toml");

/// An option as the reference has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Explained {
    /// The section's title: `[node]`, `[[peer]]`.
    pub(super) section: &'static str,
    /// The option's name; `when` for the heading `[rule.when]`.
    pub(super) key: &'static str,
    /// The comment before it, line by line, `#` included; none where it stands with the option before it.
    pub(super) words: Vec<&'static str>,
}

/// Every option of the reference, those that are commented out too, in its order.
pub(super) fn options() -> Vec<Explained> {
    let mut found = Vec::new();
    let (mut section, mut words) = ("", Vec::new());
    for line in REFERENCE.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        if let Some(title) = heading(bare) {
            if let Some(key) = subtable(title) {
                let words = std::mem::take(&mut words);
                found.push(Explained {
                    section,
                    key,
                    words,
                });
                section = title;
            } else {
                section = title;
                words.clear();
            }
        } else if let Some(key) = key(bare) {
            let words = std::mem::take(&mut words);
            found.push(Explained {
                section,
                key,
                words,
            });
        } else if line.starts_with('#') && !line.starts_with("# ---") {
            words.push(line);
        } else {
            words.clear();
        }
    }
    found
}

/// `[node]` or `[[peer]]`, alone on its line.
fn heading(line: &'static str) -> Option<&'static str> {
    let inner = line.trim_matches(['[', ']']);
    let is_name = |c: char| c.is_ascii_lowercase() || c == '.' || c == '_';
    (line.starts_with('[') && line.ends_with(']') && inner.chars().all(is_name)).then_some(line)
}

/// `when` of `[rule.when]`: a table that belongs to the section above it.
fn subtable(title: &'static str) -> Option<&'static str> {
    let (_, name) = title.trim_matches(['[', ']']).split_once('.')?;
    Some(name)
}

/// The name before ` = `.
fn key(line: &'static str) -> Option<&'static str> {
    let (key, _) = line.split_once(" = ")?;
    let is_name = |c: char| c.is_ascii_alphabetic() || c == '_';
    (!key.is_empty() && key.chars().all(is_name)).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigError, ConfigFile};
    use std::path::Path;

    #[test]
    fn an_option_has_the_comment_before_it_and_no_other() {
        let all = options();
        let of = |section: &str, key: &str| {
            let found = all.iter().find(|o| o.section == section && o.key == key);
            found
                .unwrap_or_else(|| panic!("{section} {key} in {all:#?}"))
                .words
                .join("\n")
        };
        assert!(of("[node]", "ae_title").starts_with("# AE title the node answers to"));
        assert!(of("[tls]", "client_authorities").contains("Authorities of the callers"));
        assert!(of("[[rule]]", "when").contains("What a series must be"));
        assert!(of("[rule.when]", "Modality").contains("equals this"));
        assert_eq!(of("[[peer]]", "port"), "");
    }

    #[test]
    fn every_option_that_is_explained_is_an_option() {
        // Each commented section and option comes to life, one by one, where it stands.
        let mut written = 0;
        for (at, line) in REFERENCE.lines().enumerate() {
            let Some(bare) = line.strip_prefix("# ") else {
                continue;
            };
            if key(bare).is_none() {
                continue;
            }
            let section = REFERENCE
                .lines()
                .take(at)
                .filter_map(|line| heading(line.strip_prefix("# ").unwrap_or(line)));
            let Some(section) = section.last().filter(|section| !section.contains('.')) else {
                continue;
            };
            written += 1;
            let text = format!("{section}\n{bare}\n");
            if let Err(ConfigError::Invalid(findings)) =
                ConfigFile::parse(Path::new("irisnode.toml"), &text)
            {
                let said: Vec<_> = findings
                    .problems()
                    .iter()
                    .map(|problem| &problem.message)
                    .collect();
                assert!(
                    !said.iter().any(|said| said.contains("has no key")),
                    "{bare}: {said:?}"
                );
            }
        }
        assert!(written > 5, "{written}");
    }
}
