//! What has changed from one configuration to the next, and which of it a running node can take.

use super::{Config, Notify, Peer, Rule};
use std::fmt;

/// What has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Rules, peers and sections a running node takes, in words: ``rule `lung` added``.
    pub taken: Vec<String>,
    /// Options that only a start reads, such as `listen of [node]`.
    pub needs_restart: Vec<&'static str>,
}

impl Difference {
    /// Whether nothing has changed but the words.
    pub fn is_nothing(&self) -> bool {
        self.taken.is_empty() && self.needs_restart.is_empty()
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.taken.as_slice() {
            [] => f.write_str("nothing but its words"),
            changes => f.write_str(&changes.join(", ")),
        }
    }
}

impl Config {
    /// What `next` changes.
    pub fn difference(&self, next: &Self) -> Difference {
        let mut taken = Vec::new();
        let rules = |config: &Self| -> Vec<(String, Rule)> {
            let named = config.rules.iter();
            named
                .map(|rule| (rule.name.clone(), rule.clone()))
                .collect()
        };
        let peers = |config: &Self| -> Vec<(String, Peer)> {
            let named = config.peers.iter();
            named
                .map(|peer| (peer.name.clone(), peer.clone()))
                .collect()
        };
        by_name("rule", &rules(self), &rules(next), &mut taken);
        by_name("peer", &peers(self), &peers(next), &mut taken);
        let told = |config: &Self| -> Vec<(String, Notify)> {
            let named = config.notify.iter();
            named.map(|one| (one.name.clone(), one.clone())).collect()
        };
        by_name("notification", &told(self), &told(next), &mut taken);
        let (was, is) = (&self.node, &next.node);
        let options = [
            ("[delivery]", self.delivery != next.delivery),
            ("[teach]", self.teach != next.teach),
            (
                "accept_unknown_callers",
                was.accept_unknown_callers != is.accept_unknown_callers,
            ),
            ("quiet_time", was.quiet_time != is.quiet_time),
            (
                "quiet_after_release",
                was.quiet_after_release != is.quiet_after_release,
            ),
            ("keep_for", was.keep_for != is.keep_for),
            ("max_archive", was.max_archive_bytes != is.max_archive_bytes),
        ];
        let changed = options.into_iter().filter(|(_, changed)| *changed);
        taken.extend(changed.map(|(name, _)| format!("{name} changed")));
        let fixed = [
            ("ae_title of [node]", was.ae_title != is.ae_title),
            ("listen of [node]", was.listen != is.listen),
            ("data_dir of [node]", was.data_dir != is.data_dir),
            ("task_dir of [node]", was.task_dir != is.task_dir),
            ("weights of [node]", was.weights != is.weights),
            ("device of [node]", was.device != is.device),
            (
                "min_free of [node]",
                was.min_free_bytes != is.min_free_bytes,
            ),
            (
                "max_associations of [node]",
                was.max_associations != is.max_associations,
            ),
            (
                "association_timeout of [node]",
                was.association_timeout != is.association_timeout,
            ),
            (
                "idle_timeout of [node]",
                was.idle_timeout != is.idle_timeout,
            ),
            ("[tls]", self.tls != next.tls),
            ("[web]", self.web != next.web),
            ("[dicomweb]", self.dicomweb != next.dicomweb),
            ("[telemetry]", self.telemetry != next.telemetry),
        ];
        let needs_restart = fixed.into_iter().filter(|(_, changed)| *changed);
        Difference {
            taken,
            needs_restart: needs_restart.map(|(name, _)| name).collect(),
        }
    }
}

/// What was added, removed and changed among things that have names; their order counts as a change.
fn by_name<T: PartialEq>(
    what: &str,
    was: &[(String, T)],
    is: &[(String, T)],
    changes: &mut Vec<String>,
) {
    let before = changes.len();
    for (name, one) in is {
        match was.iter().find(|(known, _)| known == name) {
            None => changes.push(format!("{what} `{name}` added")),
            Some((_, earlier)) if earlier != one => {
                changes.push(format!("{what} `{name}` changed"))
            }
            Some(_) => {}
        }
    }
    for (name, _) in was
        .iter()
        .filter(|(name, _)| !is.iter().any(|(known, _)| known == name))
    {
        changes.push(format!("{what} `{name}` removed"));
    }
    if changes.len() == before
        && !was
            .iter()
            .map(|(name, _)| name)
            .eq(is.iter().map(|(name, _)| name))
    {
        changes.push(format!("order of the {what}s changed"));
    }
}

#[cfg(test)]
mod tests {
    use super::super::ConfigFile;
    use super::*;
    use std::path::Path;

    const PEER: &str = "[[peer]]\nname = \"p\"\nae_title = \"P\"\nhost = \"h\"\nport = 104\n";

    fn config(text: &str) -> Config {
        let read = ConfigFile::parse(Path::new("irisnode.toml"), text);
        read.unwrap().into_config()
    }

    fn rule(name: &str, when: &str) -> String {
        format!("[[rule]]\nname = \"{name}\"\ntasks = [\"t\"]\nwhen = {{ {when} }}\n")
    }

    #[test]
    fn what_was_added_removed_and_changed_is_named() {
        let a = |when: &str| rule("a", when);
        let was = config(&format!(
            "{PEER}{}{}",
            a("Modality = { glob = \"C*\" }"),
            rule("b", "")
        ));
        let same = config(&format!(
            "# words\n{PEER}{}{}",
            a("Modality = { glob = \"C*\" }"),
            rule("b", "")
        ));
        assert!(was.difference(&same).is_nothing());
        let next = config(&format!(
            "{}{}",
            a("Modality = { glob = \"M*\" }"),
            rule("c", "")
        ));
        let found = was.difference(&next);
        assert_eq!(
            found.to_string(),
            "rule `a` changed, rule `c` added, rule `b` removed, peer `p` removed"
        );
        assert!(found.needs_restart.is_empty());
        let turned = config(&format!(
            "{PEER}{}{}",
            rule("b", ""),
            a("Modality = { glob = \"C*\" }")
        ));
        assert_eq!(
            was.difference(&turned).to_string(),
            "order of the rules changed"
        );
    }

    #[test]
    fn what_only_a_start_reads_is_named() {
        let was = config("[node]\nlisten = \"127.0.0.1:1\"\n");
        let next = config(
            "[node]\nlisten = \"127.0.0.1:2\"\nquiet_time = \"3s\"\n[web]\nlisten = \"127.0.0.1:3\"\n",
        );
        let found = was.difference(&next);
        assert_eq!(found.needs_restart, ["listen of [node]", "[web]"]);
        assert_eq!(found.taken, ["quiet_time changed"]);
    }
}
