//! Each rule, and which comes first.

use super::*;

fn rules() -> Rules {
    Rules {
        keep_query: vec!["id".to_owned()],
        ignore_bots: true,
        ignore_opted_out: false,
        origins: Origins::parse(Some("https://me.example")),
    }
}

const PERSON: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

fn view(path: &str) -> View<'_> {
    View { path, agent: Some(PERSON), origin: Some("https://me.example"), ..View::default() }
}

fn why(view: &View<'_>) -> String {
    match rules().judge(view) {
        Ok(Judgement { key, followed, ignored: None }) => {
            format!("counted {key}{}", if followed { "" } else { ", not followed" })
        }
        Ok(Judgement { key, ignored: Some(why), .. }) => format!("{} for {key}: {why}", why.code()),
        Err(why) => format!("{}: {why}", why.code()),
    }
}

#[test]
fn says_the_key_or_the_reason() {
    insta::assert_snapshot!(why(&view("https://me.example/a/?b=1&id=7#c")), @"counted /a?id=7");
    insta::assert_snapshot!(why(&View { opted_out: true, ..view("/a") }), @"counted /a, not followed");
    insta::assert_snapshot!(why(&View { agent: Some("Googlebot/2.1"), ..view("/a") }), @"bot for /a: the user agent names a robot: `bot`");
    insta::assert_snapshot!(why(&View { automated: true, ..view("/a") }), @"bot for /a: a program drives the browser");
    insta::assert_snapshot!(why(&View { prefetched: true, ..view("/a") }), @"prefetch for /a: the page was fetched ahead, and nobody looks at it yet");
    insta::assert_snapshot!(why(&View { origin: Some("https://evil.example"), ..view("/a") }), @"origin for /a: a page of another site asks, which is not among the allowed origins");
    insta::assert_snapshot!(why(&view("!lease")), @"bad_path: the path begins with `!`, which is reserved");
}

#[test]
fn the_owner_decides() {
    let rules = Rules { ignore_bots: false, ignore_opted_out: true, ..rules() };
    let robot = View { agent: None, automated: true, ..view("/a") };
    assert!(matches!(rules.judge(&robot), Ok(Judgement { followed: true, ignored: None, .. })));
    let private = View { opted_out: true, ..view("/a") };
    assert!(matches!(rules.judge(&private), Ok(Judgement { ignored: Some(Ignored::Gpc), .. })));
}

#[test]
fn a_mistake_is_told_before_anything_else() {
    let all = View { agent: None, origin: Some("null"), prefetched: true, path: "/%00", ..view("") };
    insta::assert_snapshot!(why(&all), @"bad_path: the path holds a control character");
    let foreign = View { path: "/a", ..all };
    insta::assert_snapshot!(why(&foreign), @"origin for /a: a page of another site asks, which is not among the allowed origins");
}

#[test]
fn every_reason_has_a_number_in_the_table() {
    let all = [
        Ignored::Bot(Robot::Driven),
        Ignored::Dup,
        Ignored::Full,
        Ignored::Gpc,
        Ignored::Origin,
        Ignored::Path,
        Ignored::Prefetch,
    ];
    assert_eq!(all.map(Ignored::code), Ignored::CODES);
}

#[test]
fn reasons_read_as_sentences() {
    insta::assert_snapshot!(why(&view("/\\")), @"bad_path: the path holds a backslash");
    insta::assert_snapshot!(why(&view("/%ff")), @"bad_path: the path is not UTF-8");
    insta::assert_snapshot!(why(&view("https://")), @"bad_path: the URL has no valid host");
    let long = "/a".repeat(300);
    insta::assert_snapshot!(why(&view(&long)), @"path_too_long: the path is 600 bytes long after normalising, the limit is 512");
}
