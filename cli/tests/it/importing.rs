//! Numbers that move: from one table to another without a loss, from other counters, and a number to begin with.

use std::io::{Cursor, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};

use crate::support::{Ran, Yard, get};

fn yard(counter: &str) -> Yard {
    let yard = Yard::with(&format!("[counter]\n{counter}\n"));
    yard.deploy();
    yard
}

fn imported(yard: &Yard, content: &[u8], args: &[&str]) -> Ran {
    let content = content.to_vec();
    let args = [&["counts", "import", "-", "--json"], args].concat();
    yard.run_as(&args, |world| world.stdin = Box::new(Cursor::new(content)))
}

#[track_caller]
fn import(yard: &Yard, content: &[u8], args: &[&str]) -> Json {
    let ran = imported(yard, content, args);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}

fn row(yard: &Yard, path: &str) -> Json {
    yard.counts(&["get", path, "--json"]).json()["counts"][0].clone()
}

/// Two paths, one with a shard, the site, and what was dropped, as the function leaves them.
fn fill(yard: &Yard) {
    let n = |n: u64| json!({ "N": n.to_string() });
    let put = |item: Json| yard.table("PutItem", &json!({ "TableName": "hits-local", "Item": item }));
    for (key, hits) in [("/", 70), ("!shard#1#/", 30), ("a \"b\", c", 5)] {
        put(json!({
            "path": { "S": key }, "hits": n(hits), "uniques": n(hits / 5), "dfzg": n(3), "vfzg": n(2), "dfzf": n(1),
            "m2609": n(4), "w2609": n(2), "m2608": n(hits - 4),
            "first": { "S": "2026-08-01" }, "last": { "S": "2026-09-20T10:00:00Z" }
        }));
    }
    put(json!({ "path": { "S": "!site" }, "uniques": n(17), "vfzg": n(3), "w2609": n(3), "w2608": n(14) }));
    put(json!({ "path": { "S": "!dropped#m2609" }, "bot": n(40), "dup": n(2) }));
}

#[test]
fn ndjson_moves_everything_and_csv_the_totals() {
    let (from, to) = (yard(""), yard(""));
    fill(&from);
    let all = from.counts(&["export", "--format", "ndjson"]).stdout;
    insta::assert_snapshot!(all, @r#"
    {"path":"/","hits":100,"uniques":20,"first":"2026-08-01","last":"2026-09-20T10:00:00Z","days":{"2026-09-19":{"hits":2,"uniques":0},"2026-09-20":{"hits":6,"uniques":4}},"months":{"2026-08":{"hits":92,"uniques":0},"2026-09":{"hits":8,"uniques":4}}}
    {"path":"a \"b\", c","hits":5,"uniques":1,"first":"2026-08-01","last":"2026-09-20T10:00:00Z","days":{"2026-09-19":{"hits":1,"uniques":0},"2026-09-20":{"hits":3,"uniques":2}},"months":{"2026-08":{"hits":1,"uniques":0},"2026-09":{"hits":4,"uniques":2}}}
    {"site":{"uniques":17,"days":{"2026-09-20":3},"months":{"2026-08":14,"2026-09":3}}}
    {"dropped":{"2026-09":{"bot":40,"dup":2}}}
    "#);
    let view = import(&to, all.as_bytes(), &[]);
    assert_eq!((&view["paths"], &view["hits"], &view["uniques"]), (&json!(2), &json!(105), &json!(21)));
    assert_eq!(to.counts(&["export", "--format", "ndjson"]).stdout, all);
    // Once more is the same import; under another id it is added, and that of JSON is the same file in another form.
    assert_eq!(import(&to, all.as_bytes(), &[])["already"], 2);
    let json = from.counts(&["export", "--json"]).stdout;
    import(&to, json.as_bytes(), &[]);
    assert_eq!(row(&to, "/")["days"]["2026-09-20"], json!({ "hits": 12, "uniques": 8 }));
    assert_eq!(to.counts(&["export", "--json"]).json()["site"]["uniques"], 34);
    let confirm = ["--replace", "--confirm", "local"];
    import(&to, all.as_bytes(), &confirm);
    assert_eq!(to.counts(&["export", "--format", "ndjson"]).stdout, all);
    let third = yard("");
    import(&third, from.counts(&["export"]).stdout.as_bytes(), &[]);
    let same = |yard: &Yard| yard.counts(&["list", "--json"]).json();
    assert_eq!(same(&third), same(&from));
    assert!(row(&third, "/").get("days").is_none());
}

const GOATCOUNTER: &str = "2Path,Title,Event,UserAgent,Browser,System,Session,Bot,Referrer,Referrer scheme,Screen size,Location,FirstVisit,Date
/,Home,false,,Firefox,Linux,s1,0,,,,DE,true,2026-09-19T10:00:00Z
/,Home,false,,Firefox,Linux,s1,0,,,,DE,false,2026-09-20T10:00:00Z
/index.html,Home,false,,Firefox,Linux,s2,0,,,,DE,true,2026-09-20T11:00:00Z
/,Home,false,,Crawler,Linux,s3,3,,,,US,true,2026-09-20T12:00:00Z
click,,true,,Firefox,Linux,s2,0,,,,DE,true,2026-09-20T12:00:00Z
";

#[test]
fn goatcounters_export_is_counted_by_day_and_month() {
    let yard = yard("");
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(GOATCOUNTER.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let ran = imported(&yard, &packed, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("left out: 1 view of robots, 1 event"), "{ran:?}");
    insta::assert_snapshot!(yard.counts(&["export", "--format", "ndjson"]).stdout, @r#"
    {"path":"/","hits":3,"uniques":3,"first":"2026-09-19","last":"2026-09-20T11:00:00Z","days":{"2026-09-19":{"hits":1,"uniques":1},"2026-09-20":{"hits":2,"uniques":2}},"months":{"2026-09":{"hits":3,"uniques":3}}}
    {"site":{"uniques":3,"days":{"2026-09-19":1,"2026-09-20":2},"months":{"2026-09":3}}}
    "#);
    assert_eq!(import(&yard, &packed, &[])["already"], 1);
    // Unpacked it is the same file; what the configuration counts is another import.
    assert_eq!(import(&yard, GOATCOUNTER.as_bytes(), &["--format", "goatcounter"])["already"], 1);
    let robots = self::yard("bots = \"count\"");
    assert_eq!(import(&robots, &packed, &[])["hits"], 4);
    let ran = imported(&yard, GOATCOUNTER.as_bytes(), &["--format", "csv"]);
    assert_eq!(
        ran.json()["error"]["message"],
        "line 1: expected a header with the columns path and hits, found none named path or hits"
    );
}

/// An export of GoatCounter 2.7: its paths and hits are in files of their own.
fn goatcounter_zip(stats: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let paths = "{\"id\":211,\"path\":\"/\",\"title\":\"Home page\"}\n{\"id\":215,\"path\":\"/api\",\"title\":\"API\"}\n\
                 {\"id\":1442298,\"path\":\"click-banana\",\"title\":\"x\",\"event\":true}\n";
    let info = "{\n  \"export_version\": \"1.0\",\n  \"goatcounter_version\": \"2.7\"\n}\n";
    for (name, text) in [("hit_stats.jsonl", stats), ("info.json", info), ("paths.jsonl", paths)] {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(format!("goatcounter-export-x/{name}"), options).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

const STATS: &str = "{\"hour\":\"2026-11-05T19:00:00Z\",\"path_id\":211,\"ref_id\":1,\"count\":4}
{\"hour\":\"2026-11-07T15:00:00Z\",\"path_id\":211,\"ref_id\":30563812,\"count\":1}
{\"hour\":\"2026-11-07T15:00:00Z\",\"path_id\":215,\"ref_id\":30563812,\"count\":3}
{\"hour\":\"2026-11-07T15:00:00Z\",\"path_id\":1442298,\"ref_id\":1,\"count\":9}
";

#[test]
fn goatcounters_zip_of_json_is_counted() {
    let yard = yard("");
    let zip = goatcounter_zip(STATS);
    let dry = imported(&yard, &zip, &["--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    let told = dry.json();
    assert_eq!((&told["counted"], &told["hits"], &told["dry_run"]), (&json!(2), &json!(8), &json!(true)));
    assert_eq!((&told["read"], &told["left_out"]["events"]), (&json!(4), &json!(9)));
    assert!(told["not_kept"][0].as_str().unwrap().contains("referrers"), "{told}");
    assert_eq!(
        yard.counts(&["export"]).stdout,
        "path,hits,uniques,first,last\r\n",
        "a dry run writes nothing"
    );
    let ran = imported(&yard, &zip, &[]);
    insta::assert_snapshot!(ran.stderr, @"
    app hits, env local, on this machine
    read 4 records of GoatCounter's JSON export
    left out: 9 events
    cannot keep: hours, titles, referrers, campaigns, browsers, systems, screen sizes, locations, languages
    ");
    insta::assert_snapshot!(yard.counts(&["export", "--format", "ndjson"]).stdout, @r#"
    {"path":"/","hits":5,"uniques":0,"first":"2026-11-05","last":"2026-11-07T15:00:00Z","days":{"2026-11-05":{"hits":4,"uniques":0},"2026-11-07":{"hits":1,"uniques":0}},"months":{"2026-11":{"hits":5,"uniques":0}}}
    {"path":"/api","hits":3,"uniques":0,"first":"2026-11-07","last":"2026-11-07T15:00:00Z","days":{"2026-11-07":{"hits":3,"uniques":0}},"months":{"2026-11":{"hits":3,"uniques":0}}}
    "#);
    assert_eq!(import(&yard, &zip, &[])["already"], 2);
    assert_eq!(import(&yard, &zip, &["--dry-run"])["already"], 2);
    // Files that say nothing, or what is no such export, say why.
    let refused = |content: &[u8]| imported(&yard, content, &[]).json()["error"].clone();
    assert_eq!(refused(&goatcounter_zip(""))["code"], "no_page_views");
    let error = refused(&goatcounter_zip("{\"hour\":\"2026-11-05\",\"path_id\":\"x\",\"count\":4}\n[]\n"));
    insta::assert_snapshot!(error["message"].as_str().unwrap(), @r#"
    hit_stats.jsonl, line 1: expected a whole number from 0 to 9007199254740991 in "path_id", found "x"
    hit_stats.jsonl, line 2: expected a JSON object, found a list
    "#);
    assert_eq!(refused(&zip[..zip.len() - 30])["message"], "failed to unpack the zip");
    let header = GOATCOUNTER.lines().next().unwrap();
    let error = refused(header.as_bytes());
    assert_eq!(error["message"], "expected page views in GoatCounter's export, found none");
    assert!(error["hint"].as_str().unwrap().contains("`Individual pageviews`"), "{error}");
}

#[test]
fn formulas_of_visitors_are_text_in_csv_and_come_back() {
    let (from, to) = (yard(""), yard(""));
    let formula = "=HYPERLINK(\"http://evil.example/\",\"Totals\")";
    for path in [formula, "+1", "-1", "@x", "/a;=1"] {
        import(&from, json!({ "path": path, "hits": 1 }).to_string().as_bytes(), &[]);
    }
    let csv = from.counts(&["export"]).stdout;
    insta::assert_snapshot!(csv.replace('\r', ""), @r#"
    path,hits,uniques,first,last
    '+1,1,0,,
    '-1,1,0,,
    "/a;=1",1,0,,
    "'=HYPERLINK(""http://evil.example/"",""Totals"")",1,0,,
    '@x,1,0,,
    "#);
    import(&to, csv.as_bytes(), &[]);
    assert_eq!(to.counts(&["export"]).stdout, csv);
    assert_eq!(row(&to, formula)["hits"], 1);
}

#[test]
fn numbers_have_one_range_on_every_way_in() {
    const MOST: u64 = 9_007_199_254_740_991;
    let yard = yard("");
    let most = MOST.to_string();
    for args in [
        &["set", "/", "9007199254740992"] as &[&str],
        &["set", "/", "18446744073709551615"],
        &["set", "/", "18446744073709551616"],
        &["add", "/", "9007199254740992"],
        &["import", "--start-at", "18446744073709551615", "--path", "/"],
    ] {
        let ran = yard.run(&[&["counts"], args].concat());
        assert_eq!(ran.code, 64, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("9007199254740991"), "the range is said: {ran:?}");
    }
    for text in ["/,18446744073709551615\n", "{\"path\":\"/\",\"hits\":9007199254740992}\n"] {
        let ran = imported(&yard, text.as_bytes(), &[]);
        let message = ran.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("from 0 to 9007199254740991"), "{message}");
    }
    // What is there counts: nothing makes it more than the largest.
    assert_eq!(yard.run(&["counts", "set", "/", &most]).code, 0);
    assert_eq!(yard.run(&["counts", "set", "/b", "1"]).code, 0);
    for args in [
        &["add", "/", "1"] as &[&str],
        &["merge", "/b", "/", "--yes"],
        &["import", "--start-at", "1", "--path", "/"],
    ] {
        let ran = yard.run(&[&["counts"], args, &["--json"]].concat());
        let error = ran.json()["error"].clone();
        assert_eq!((ran.code, &error["code"]), (1, &json!("out_of_range")), "{args:?}: {error}");
        assert!(error["message"].as_str().unwrap().contains(&most), "{error}");
    }
    assert_eq!((row(&yard, "/")["hits"].clone(), row(&yard, "/b")["hits"].clone()), (json!(MOST), json!(1)));
}

#[test]
fn hit_on_a_number_that_is_too_large_loses_nothing() {
    let all = "bots = \"count\"\nvisitors = \"none\"\npaths = \"open\"\nrepeat_window_s = 0";
    let yard = yard(all);
    let url = yard.deploy();
    for (path, hits, shown) in [
        ("/large", "18446744073709551615", 9_007_199_254_740_991_u64),
        ("/most", "9007199254740991", 9_007_199_254_740_991),
        ("/giant", "99999999999999999999999999999999999999", 9_007_199_254_740_991),
        ("/fraction", "2.5", 3),
        ("/negative", "-3", 0),
    ] {
        let item = json!({ "path": { "S": path }, "hits": { "N": hits } });
        yard.table("PutItem", &json!({ "TableName": "hits-local", "Item": item }));
        let answer = get(&url, &format!("/counter?path={path}")).json();
        assert_eq!((&answer["hits"], &answer["counted"]), (&json!(shown), &json!(true)), "{path}");
        assert_eq!(row(&yard, path)["hits"], shown, "{path}");
        let listed = yard.counts(&["list", "--json"]).json();
        let listed = listed["counts"].as_array().unwrap().iter().find(|row| row["path"] == path).cloned();
        assert_eq!(listed.unwrap_or_else(|| panic!("{path} is lost"))["hits"], shown);
    }
    // A number that is too large is set right by hand.
    assert_eq!(yard.run(&["counts", "set", "/large", "7", "--confirm", "local"]).code, 0);
    assert_eq!(row(&yard, "/large")["hits"], 7);
}

#[test]
fn a_number_to_begin_with_counts_once() {
    let yard = yard("");
    yard.counts(&["add", "/", "3"]);
    let start = ["import", "--start-at", "12000", "--path", "/index.html"];
    assert_eq!(yard.counts(&start).stdout, "Imported 1 path with 12000 hits.\n");
    assert_eq!(row(&yard, "/")["hits"], 12_003);
    // What comes later is not set back by the same command.
    yard.counts(&["add", "/", "4"]);
    assert!(yard.counts(&start).stdout.starts_with("All of it was imported before (1 path"));
    assert_eq!(row(&yard, "/")["hits"], 12_007);
    let ran = yard.run(&["counts", "import", "--start-at", "13000", "--path", "/", "--json"]);
    let error = ran.json()["error"].clone();
    assert_eq!((ran.code, &error["code"]), (1, &json!("already_begun")));
    assert_eq!(error["message"], "\"/\" has begun with another number already");
    yard.counts(&["import", "--start-at", "1", "--path", "/other"]);
    for args in [
        vec!["--start-at", "1"],
        vec!["--path", "/"],
        vec!["x.csv", "--start-at", "1", "--path", "/"],
        vec![],
    ] {
        assert_eq!(yard.run(&[vec!["counts", "import"], args.clone()].concat()).code, 64, "{args:?}");
    }
}
