//! Numbers that move: from one table to another without a loss, from other counters, and a number to begin with.

use std::io::{Cursor, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};

use crate::support::{Ran, Yard};

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
    assert_eq!(ran.json()["error"]["message"], "line 1: the header has no column path and hits");
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
