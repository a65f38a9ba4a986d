//! What does not work yet. Its keys are known and checked, but asking for it is refused with words. When an issue lands,
//! its lines go.

use crate::keys::Key;

/// A key, what of it works today, and what the rest comes with.
pub(crate) struct Upcoming {
    /// The key.
    pub(crate) key: &'static str,
    /// The values that work, as in TOML.
    pub(crate) works: &'static [&'static str],
    /// What the rest comes with.
    pub(crate) with: &'static str,
}

const fn upcoming(key: &'static str, works: &'static [&'static str], with: &'static str) -> Upcoming {
    Upcoming { key, works, with }
}

const QUEUES: &str = "queues and events";

pub(crate) const UPCOMING: &[Upcoming] =
    &[upcoming("queue.enabled", &["false"], QUEUES), upcoming("events.enabled", &["false"], QUEUES)];

/// What a value comes with, when it does not work yet.
pub(crate) fn refused(key: &str, value: &toml::Value) -> Option<&'static Upcoming> {
    let line = UPCOMING.iter().find(|line| line.key == key)?;
    let text = value.to_string();
    (!line.works.contains(&text.as_str())).then_some(line)
}

/// A sentence for whoever reads about a key, when not all of it works yet.
pub(crate) fn remark(key: &Key) -> Option<String> {
    let line = UPCOMING.iter().find(|line| line.key == key.path())?;
    Some(match line.works {
        [] | ["false"] => format!("Comes with {}.", line.with),
        works => format!("Only {} works for now; the rest comes with {}.", works.join(" or "), line.with),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::KEYS;

    #[test]
    fn every_line_names_a_key_once() {
        for (index, line) in UPCOMING.iter().enumerate() {
            assert!(KEYS.iter().any(|key| key.path() == line.key), "{} is no key", line.key);
            assert!(UPCOMING[index + 1..].iter().all(|other| other.key != line.key), "{} twice", line.key);
        }
    }
}
