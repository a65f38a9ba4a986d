//! Tests of each signal, its text and its exceptions; `tests/it/bots.rs` measures the error rates.

use super::*;

fn why(user_agent: &str) -> String {
    detect_bot(Some(user_agent)).map_or_else(|| "a person".to_owned(), |signal| signal.to_string())
}

const CHROME: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36";

#[test]
fn every_signal_has_its_text() {
    insta::assert_snapshot!(detect_bot(None).unwrap(), @"there is no user agent");
    insta::assert_snapshot!(why(" \t"), @"there is no user agent");
    insta::assert_snapshot!(why("Mozilla"), @"the user agent has 7 bytes; a browser's has at least 10");
    insta::assert_snapshot!(why(&format!("{CHROME}{}", "x".repeat(1000))), @"the user agent has 1101 bytes; a browser's has at most 1024");
    insta::assert_snapshot!(why("Mozilla/5.0 (compatible; Googlebot/2.1)"), @"the user agent contains the bot keyword `bot`");
    insta::assert_snapshot!(why(&format!("{CHROME} (+HTTPS://x.example)")), @"the user agent contains a contact address");
    insta::assert_snapshot!(why("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; X/1.0)"), @"the user agent claims to be compatible with a browser");
    insta::assert_snapshot!(why("Something/1.0"), @"the user agent names no browser");
}

#[test]
fn browsers_are_not_bots() {
    for user_agent in [
        CHROME,
        "Mozilla/5.0 (hitctl; invoke) Gecko",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; .NET CLR 2.0.50727; ASP.NET4.0C)",
        "Opera/9.80 (Windows NT 6.1) Presto/2.12.388 Version/12.18",
        "github-camo (c006e452)",
    ] {
        assert_eq!(detect_bot(Some(user_agent)), None, "{user_agent}");
    }
}

#[test]
fn image_proxies_are_not_bots() {
    for name in IMAGE_PROXIES {
        assert_eq!(detect_bot(Some(&format!("{name} (c006e452)"))), None, "{name}");
        assert!(is_image_proxy(&format!("{name} (c006e452)").to_uppercase()), "{name}");
    }
    assert!(!is_image_proxy(CHROME) && !is_image_proxy(""));
}

#[test]
fn command_line_clients_are_bots() {
    for (user_agent, word) in [
        ("curl/8.14.1", "curl"),
        ("Wget/1.25.0", "wget"),
        ("python-requests/2.32.4", "python"),
        ("PostmanRuntime/7.45.0", "postman"),
        ("okhttp/4.12.0", "okhttp"),
        ("Go-http-client/2.0", "go-http-client"),
        ("node-fetch", "node-fetch"),
    ] {
        assert_eq!(detect_bot(Some(user_agent)), Some(BotSignal::Keyword(word)), "{user_agent}");
    }
}

/// Real user agents of televisions, phones and apps.
#[test]
fn televisions_phones_and_apps_are_not_bots() {
    let chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/104.0.0.0 Mobile Safari/537.36";
    for (system, apps) in [
        ("Linux; Android 7.0; M bot 60", ""),
        ("Linux; Android 6.0; VR BOT 552", ""),
        ("Linux; Android 8.1.0; XBot Junior", ""),
        ("Linux; Android 6.0; IDbot553 Build/MRA58K", ""),
        ("Linux; Android 7.1.1; M_bot_tab_1150 Build/N9F27F", ""),
        ("Linux; Android 14; SM-S918B", " CamScanner/4.8.5.2310271827"),
        ("Linux; Android 14; I2208; wv", " csh-store-checkout"),
        ("Linux; Android 9; AFTDCT31", " fuboTV/4.75.0"),
        (
            "Web0S; Linux/SmartTV",
            " LG Browser/8.00.00(LGE; 55TEST9900; 04.41.32; 1; DTV_C22P); webOS.TV-2022; LG NetCast.TV-2013 Compatible (LGE, 55TEST9900, wireless)",
        ),
        (
            "Web0S; Linux/SmartTV",
            " HbbTV/1.6.1 (+DRM; LGE/KTC/BOTECH; 58TEST9503; WEBOS22 04.42.26; W22_K8LP; DTV_C22P;)",
        ),
    ] {
        let user_agent = format!("Mozilla/5.0 ({system}) {chrome}{apps}");
        assert_eq!(detect_bot(Some(&user_agent)), None, "{user_agent}");
    }
    for (system, apps) in [
        ("Linux; Android 7.0; ExampleBot/1.0", ""),
        ("Linux; Android 7.0; K", " ExampleBot"),
        ("Linux; Android 7.0; K", " (ExampleBot)"),
        ("Linux; Android 7.0; K", " Scanner/1.0"),
        ("Linux; Android 7.0; K", " LinkCheck/1.0"),
        ("X11; M bot 60", ""),
    ] {
        let user_agent = format!("Mozilla/5.0 ({system}) {chrome}{apps}");
        assert!(matches!(detect_bot(Some(&user_agent)), Some(BotSignal::Keyword(_))), "{user_agent}");
    }
}

/// User agents of browsers with a bot's name at the beginning or at the end.
#[test]
fn browser_user_agents_with_bot_names_are_bots() {
    for (before, after) in [
        ("", " CloudflareObservatory/1.0"),
        ("", "; Devin/1.0; +devin.ai"),
        ("", "; +example.dev"),
        ("", " GoogleMessages/15.1"),
        ("", " CloudflareDiagnostics/1.0"),
        ("", " Functionize"),
        ("fasthttp, ", ""),
        ("", " MarketGoo/2.1"),
    ] {
        let user_agent = format!("{before}{CHROME}{after}");
        assert!(detect_bot(Some(&user_agent)).is_some(), "{user_agent}");
    }
}

#[test]
fn cubot_phone_is_not_a_bot_but_bot_is() {
    let phone = CHROME.replace("X11", "CUBOT X70");
    assert_eq!(detect_bot(Some(&phone)), None);
    assert_eq!(detect_bot(Some(&phone.replace("CUBOT", "ACU BOT"))), Some(BotSignal::Keyword("bot")));
    assert_eq!(detect_bot(Some(&phone.replace("X70", "Cubot ExampleBot"))), Some(BotSignal::Keyword("bot")));
}

#[test]
fn addresses_are_distinguished_from_versions_and_app_names() {
    for (inside, expected) in [
        ("me@host.example", Some(BotSignal::Address)),
        ("th-TH@calendar=gregorian", None),
        ("Build/ICS@ROM_04.06.2012", None),
        ("me@", None),
        ("[example.com]", None),
        ("Ecosia android@150.0.0.0", None),
        ("host.example.com", Some(BotSignal::Address)),
        ("host.example.com/x", Some(BotSignal::Address)),
        ("com.example.app", None),
        ("x.community", None),
        ("org.com.example", None),
        ("; .com", None),
        ("www.example", Some(BotSignal::Address)),
    ] {
        assert_eq!(detect_bot(Some(&format!("{CHROME} ({inside})"))), expected, "{inside}");
    }
}

#[test]
fn compatible_is_a_signal_only_after_webkit() {
    let before =
        "Mozilla/5.0 (compatible; U; WebPositive/533.4; Haiku) AppleWebKit/533.4 (KHTML, like Gecko)";
    assert_eq!(detect_bot(Some(before)), None);
    assert_eq!(detect_bot(Some(&format!("{before} (compatible; x)"))), Some(BotSignal::Compatible));
}

#[test]
fn detection_ignores_case() {
    for text in ["x GPTBOT y, a gecko", "MOZILLA (X) GECKO/1", "aPPlewEBKit; cOMPATIBLE; x"] {
        assert_eq!(detect_bot(Some(text)), detect_bot(Some(&text.to_ascii_lowercase())), "{text}");
    }
}

#[test]
fn six_megabyte_user_agent_is_rejected_by_length() {
    let hostile = "Mozilla/5.0 (".repeat(500_000);
    assert_eq!(detect_bot(Some(&hostile)), Some(BotSignal::TooLong { bytes: hostile.len() }));
}

#[test]
fn words_are_listed_by_their_first_byte() {
    for first in 0..=u8::MAX {
        for word in bot_words(first).iter().chain(browser_words(first)) {
            assert_eq!(word.as_bytes()[0], first, "{word}");
            assert_eq!(*word, word.to_ascii_lowercase());
        }
    }
}

proptest::proptest! {
    #[test]
    fn any_text_gives_the_same_result_in_upper_case(text in ".{0,1100}") {
        let first = detect_bot(Some(&text));
        proptest::prop_assert_eq!(first, detect_bot(Some(&text.to_ascii_uppercase())));
    }
}
