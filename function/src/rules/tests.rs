//! Tests of each rule and of their order.

use super::*;

fn rules() -> CountingRules {
    CountingRules {
        keep_query: vec!["id".to_owned()],
        ignore_bots: true,
        ignore_opted_out: false,
        origins: Origins::parse(Some("https://me.example")),
    }
}

const PERSON: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

fn view(path: &str) -> PageView<'_> {
    PageView { path, agent: Some(PERSON), origin: Some("https://me.example"), ..PageView::default() }
}

fn why(view: &PageView<'_>) -> String {
    match rules().evaluate(view) {
        Ok(ViewDecision { key, track_visitor, ignored: None }) => {
            format!("counted {key}{}", if track_visitor { "" } else { ", visitor not tracked" })
        }
        Ok(ViewDecision { key, ignored: Some(why), .. }) => format!("{} for {key}: {why}", why.code()),
        Err(why) => format!("{}: {why}", why.code()),
    }
}

#[test]
fn evaluation_returns_the_key_or_the_reason() {
    insta::assert_snapshot!(why(&view("https://me.example/a/?b=1&id=7#c")), @"counted /a?id=7");
    insta::assert_snapshot!(why(&PageView { opted_out: true, ..view("/a") }), @"counted /a, visitor not tracked");
    insta::assert_snapshot!(why(&PageView { agent: Some("Googlebot/2.1"), ..view("/a") }), @"bot for /a: the user agent contains the bot keyword `bot`");
    insta::assert_snapshot!(why(&PageView { automated: true, ..view("/a") }), @"bot for /a: a program controls the browser");
    insta::assert_snapshot!(why(&PageView { prefetched: true, ..view("/a") }), @"prefetch for /a: the browser prefetched the page");
    insta::assert_snapshot!(why(&PageView { origin: Some("https://evil.example"), ..view("/a") }), @"origin for /a: the page's origin is not in `allow_origins`");
    insta::assert_snapshot!(why(&view("!lease")), @"bad_path: the path begins with `!`, which is reserved");
}

#[test]
fn disabled_rules_are_not_applied() {
    let rules = CountingRules { ignore_bots: false, ignore_opted_out: true, ..rules() };
    let bot = PageView { agent: None, automated: true, ..view("/a") };
    assert!(matches!(rules.evaluate(&bot), Ok(ViewDecision { track_visitor: true, ignored: None, .. })));
    let opted_out = PageView { opted_out: true, ..view("/a") };
    assert!(matches!(
        rules.evaluate(&opted_out),
        Ok(ViewDecision { ignored: Some(IgnoreReason::OptedOut), .. })
    ));
}

#[test]
fn invalid_path_is_reported_before_other_reasons() {
    let all = PageView { agent: None, origin: Some("null"), prefetched: true, path: "/%00", ..view("") };
    insta::assert_snapshot!(why(&all), @"bad_path: the path contains a control character");
    let foreign = PageView { path: "/a", ..all };
    insta::assert_snapshot!(why(&foreign), @"origin for /a: the page's origin is not in `allow_origins`");
}

#[test]
fn every_reason_has_a_code() {
    let all = [
        IgnoreReason::Bot(BotEvidence::Automated),
        IgnoreReason::Duplicate,
        IgnoreReason::BudgetExhausted,
        IgnoreReason::OptedOut,
        IgnoreReason::Origin,
        IgnoreReason::UnknownPath,
        IgnoreReason::Prefetch,
    ];
    assert_eq!(all.map(IgnoreReason::code), IgnoreReason::CODES);
}

#[test]
fn invalid_paths_have_readable_messages() {
    insta::assert_snapshot!(why(&view("/\\")), @"bad_path: the path contains a backslash");
    insta::assert_snapshot!(why(&view("/%ff")), @"bad_path: the path is not UTF-8");
    insta::assert_snapshot!(why(&view("https://")), @"bad_path: the URL has no valid host");
    let long = "/a".repeat(300);
    insta::assert_snapshot!(why(&view(&long)), @"path_too_long: the path has 600 bytes after normalising; the limit is 512");
}
