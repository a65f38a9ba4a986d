//! Measures the error rates of bot detection on real user agents, and checks that docs/bots.md shows the same
//! rates.

use std::fmt::Write as _;
use std::path::Path;

use hit_counter::bots::{BotSignal, detect_bot};

/// Returns the user agents in a file of the corpus; only those of one source if `source` is given. A line
/// that begins with `# ` names the source of the lines below it.
fn corpus(file: &str, source: Option<&str>) -> Vec<String> {
    let path = Path::new("tests/corpus").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut lines = Vec::new();
    let mut current_source = None;
    for line in text.lines() {
        match line.strip_prefix("# ") {
            Some(name) => current_source = Some(name),
            None if source.is_none() || source == current_source => lines.push(line.to_owned()),
            None => {}
        }
    }
    assert!(!lines.is_empty(), "{file} has nothing of {source:?}");
    lines
}

/// The error rate on one file.
struct ErrorRate {
    all: usize,
    bots: usize,
    wrong: usize,
}

impl ErrorRate {
    fn bots(file: &str) -> Self {
        let mut rate = Self::people(file, None);
        rate.wrong = rate.all - rate.bots;
        rate
    }

    fn people(file: &str, source: Option<&str>) -> Self {
        let lines = corpus(file, source);
        let bots = lines.iter().filter(|line| detect_bot(Some(line)).is_some()).count();
        Self { all: lines.len(), bots, wrong: bots }
    }

    fn plus(&self, other: &Self) -> Self {
        Self { all: self.all + other.all, bots: self.bots + other.bots, wrong: self.wrong + other.wrong }
    }

    /// Returns whether at most `per_mille` in a thousand are wrong.
    fn at_most(&self, per_mille: usize) -> bool {
        self.wrong * 1000 <= per_mille * self.all
    }
}

fn table(rows: &[(&str, &ErrorRate)]) -> String {
    let mut table = String::from("| user agents of | in all | taken for robots | for people | wrong |\n");
    table.push_str("| --- | ---: | ---: | ---: | ---: |\n");
    for (name, ErrorRate { all, bots, wrong }) in rows {
        // In hundredths of a per cent, rounded up, so that no rate looks better than it is.
        let rate = (wrong * 10_000).div_ceil(*all);
        let people = all - bots;
        writeln!(
            table,
            "| {name} | {all} | {bots} | {people} | {wrong} ({}.{:02} %) |",
            rate / 100,
            rate % 100
        )
        .unwrap();
    }
    table
}

#[test]
fn error_rates_are_within_limits_and_match_the_docs() {
    let bots_tuned = ErrorRate::bots("robots-tuned.txt");
    let bots_held_out = ErrorRate::bots("robots-heldout.txt");
    let bots = bots_tuned.plus(&bots_held_out);
    let people_tuned = ErrorRate::people("people-tuned.txt", None);
    let people_held_out = ErrorRate::people("people-heldout.txt", None);
    let people = people_tuned.plus(&people_held_out);
    let people_now = ErrorRate::people("people-heldout.txt", Some("user-agents"));
    let table = table(&[
        ("robots, tuned on", &bots_tuned),
        ("robots, held out", &bots_held_out),
        ("robots, all", &bots),
        ("people, tuned on", &people_tuned),
        ("people, held out", &people_held_out),
        ("people, all", &people),
        ("people, held out, of this year", &people_now),
    ]);
    println!("{table}");
    insta::assert_snapshot!(table, @"
    | user agents of | in all | taken for robots | for people | wrong |
    | --- | ---: | ---: | ---: | ---: |
    | robots, tuned on | 935 | 922 | 13 | 13 (1.40 %) |
    | robots, held out | 891 | 882 | 9 | 9 (1.02 %) |
    | robots, all | 1826 | 1804 | 22 | 22 (1.21 %) |
    | people, tuned on | 1477 | 2 | 1475 | 2 (0.14 %) |
    | people, held out | 1451 | 11 | 1440 | 11 (0.76 %) |
    | people, all | 2928 | 13 | 2915 | 13 (0.45 %) |
    | people, held out, of this year | 468 | 0 | 468 | 0 (0.00 %) |
    ");
    assert!(people.at_most(5) && people_held_out.at_most(8), "too many people are taken for robots");
    assert_eq!(people_now.wrong, 0, "people of today are taken for robots");
    assert!(bots.at_most(15) && bots_held_out.at_most(15), "too many robots are missed");

    let docs = std::fs::read_to_string("../docs/bots.md").unwrap();
    assert!(docs.contains(&table), "docs/bots.md has other rates than these:\n{table}");
}

#[test]
fn errors_on_the_tuned_corpus_match_snapshot() {
    let mut wrong = String::new();
    for line in corpus("people-tuned.txt", None) {
        if let Some(signal) = detect_bot(Some(&line)) {
            writeln!(wrong, "a person ({signal}): {line}").unwrap();
        }
    }
    for line in corpus("robots-tuned.txt", None) {
        if detect_bot(Some(&line)).is_none() {
            writeln!(wrong, "a robot: {line}").unwrap();
        }
    }
    println!("{wrong}");
    insta::assert_snapshot!(wrong, @"
    a person (the user agent contains a contact address): Mozilla/5.0 (Linux; U; Android 4.0.3; en-us; Ainol Novo 7 Aurora (TabletWarehouseUSA.com) Build/IML74K) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Safari/534.30
    a person (the user agent names no browser): Mozilla/4.0 (compatible; ms-office; MSOffice 16)
    a robot: Mozilla/5.0 (Linux; Android 16; Pixel 10 Pro XL Build/CP1A.260305.018; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/146.0.7680.174 Mobile Safari/537.36 MetaIAB Facebook
    a robot: Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:103.0) Gecko/20100101 Firefox/103.0 abuse.xmco.fr
    a robot: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_10; rv:60.0) Gecko/20100101 Firefox/60.0 Collapsify
    a robot: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/90.0.4430.212 Safari/537.36 Hardenize
    a robot: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7; TSM-turingos-1253296984) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Safari/537.36
    a robot: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/100.0.4896.127 Safari/537.36 Dlc/2.0.1
    a robot: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/58.0.3029.110 Safari/537.36 Readable/1.1.4
    a robot: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Trae/1.107.1 Chrome/142.0.7444.235 Electron/39.2.7 Safari/537.36
    a robot: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.6422.26 Safari/537.36 TestLocally/1.0
    a robot: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 Sindup/1.0.0
    a robot: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/76.0.3809.87 Safari/537.36 LinkTiger
    a robot: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko; GeedoShopProductFinder) Chrome/142.0.0.0 Safari/537.36
    a robot: Mozilla/5.0 (watchTowr; Windows NT 10.0; Win64; x64; rv:84.0) Gecko/20100101 Firefox/84.0
    ");
}

#[test]
fn corpus_is_large_and_has_no_duplicates() {
    let mut all: Vec<String> =
        ["robots-tuned.txt", "robots-heldout.txt", "people-tuned.txt", "people-heldout.txt"]
            .into_iter()
            .flat_map(|file| corpus(file, None))
            .collect();
    let lines = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), lines);
    assert!(lines >= 1000, "{lines}");
    assert!(
        all.iter().all(|line| line.trim() == line && !line.is_empty() && !line.contains(char::is_control))
    );
}

#[test]
fn bot_signals_are_distributed_as_in_snapshot() {
    let signals: Vec<BotSignal> =
        corpus("robots-tuned.txt", None).iter().filter_map(|line| detect_bot(Some(line))).collect();
    let count = |wanted: fn(&BotSignal) -> bool| signals.iter().filter(|signal| wanted(signal)).count();
    let by = format!(
        "words {}, addresses {}, compatible {}, no browser {}, length {}",
        count(|signal| matches!(signal, BotSignal::Keyword(_))),
        count(|signal| matches!(signal, BotSignal::Address)),
        count(|signal| matches!(signal, BotSignal::Compatible)),
        count(|signal| matches!(signal, BotSignal::NoEngine)),
        count(|signal| matches!(signal, BotSignal::TooShort { .. } | BotSignal::TooLong { .. })),
    );
    insta::assert_snapshot!(by, @"words 549, addresses 184, compatible 35, no browser 104, length 50");
}
