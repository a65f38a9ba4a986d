//! Exports and imports: between tables without loss, from other counters, and with a start value.

use std::io::{Cursor, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};

use crate::support::{CommandOutput, TestEnv, get};

fn deployed_env(counter: &str) -> TestEnv {
    let test_env = TestEnv::with_config(&format!("[counter]\n{counter}\n"));
    test_env.deploy();
    test_env
}

fn run_import(test_env: &TestEnv, content: &[u8], args: &[&str]) -> CommandOutput {
    let content = content.to_vec();
    let args = [&["counts", "import", "-", "--json"], args].concat();
    test_env.run_with(&args, |process| process.stdin = Box::new(Cursor::new(content)))
}

#[track_caller]
fn import(test_env: &TestEnv, content: &[u8], args: &[&str]) -> Json {
    let output = run_import(test_env, content, args);
    assert_eq!(output.code, 0, "{output:?}");
    output.json()
}

fn row(test_env: &TestEnv, path: &str) -> Json {
    test_env.counts(&["get", path, "--json"]).json()["counts"][0].clone()
}

/// Writes items as the function does: two paths, one of them sharded, the site, and dropped views. The attributes `d`
/// and `m` are the hits of a day or month, `v` and `w` the visitors; `fzg` is 2026-09-20.
fn fill(test_env: &TestEnv) {
    let n = |n: u64| json!({ "N": n.to_string() });
    let put = |item: Json| test_env.table("PutItem", &json!({ "TableName": "hits-local", "Item": item }));
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
    let (from, to) = (deployed_env(""), deployed_env(""));
    fill(&from);
    let exported = from.counts(&["export", "--format", "ndjson"]).stdout;
    insta::assert_snapshot!(exported, @r#"
    {"path":"/","hits":100,"uniques":20,"first":"2026-08-01","last":"2026-09-20T10:00:00Z","days":{"2026-09-19":{"hits":2,"uniques":0},"2026-09-20":{"hits":6,"uniques":4}},"months":{"2026-08":{"hits":92,"uniques":0},"2026-09":{"hits":8,"uniques":4}}}
    {"path":"a \"b\", c","hits":5,"uniques":1,"first":"2026-08-01","last":"2026-09-20T10:00:00Z","days":{"2026-09-19":{"hits":1,"uniques":0},"2026-09-20":{"hits":3,"uniques":2}},"months":{"2026-08":{"hits":1,"uniques":0},"2026-09":{"hits":4,"uniques":2}}}
    {"site":{"uniques":17,"days":{"2026-09-20":3},"months":{"2026-08":14,"2026-09":3}}}
    {"dropped":{"2026-09":{"bot":40,"dup":2}}}
    "#);
    let imported = import(&to, exported.as_bytes(), &[]);
    assert_eq!(
        (&imported["paths"], &imported["hits"], &imported["uniques"]),
        (&json!(2), &json!(105), &json!(21))
    );
    assert_eq!(to.counts(&["export", "--format", "ndjson"]).stdout, exported);
    // Repeating the import adds nothing. The JSON export has another id, so it is added.
    assert_eq!(import(&to, exported.as_bytes(), &[])["already"], 2);
    let json = from.counts(&["export", "--json"]).stdout;
    import(&to, json.as_bytes(), &[]);
    assert_eq!(row(&to, "/")["days"]["2026-09-20"], json!({ "hits": 12, "uniques": 8 }));
    assert_eq!(to.counts(&["export", "--json"]).json()["site"]["uniques"], 34);
    let confirm = ["--replace", "--confirm", "local"];
    import(&to, exported.as_bytes(), &confirm);
    assert_eq!(to.counts(&["export", "--format", "ndjson"]).stdout, exported);
    let third = deployed_env("");
    import(&third, from.counts(&["export"]).stdout.as_bytes(), &[]);
    let totals = |test_env: &TestEnv| test_env.counts(&["list", "--json"]).json();
    assert_eq!(totals(&third), totals(&from));
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
fn goatcounter_export_is_counted_by_day_and_month() {
    let test_env = deployed_env("");
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(GOATCOUNTER.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let output = run_import(&test_env, &packed, &[]);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stderr.contains("skipped: 1 view by bots, 1 event"), "{output:?}");
    insta::assert_snapshot!(test_env.counts(&["export", "--format", "ndjson"]).stdout, @r#"
    {"path":"/","hits":3,"uniques":3,"first":"2026-09-19","last":"2026-09-20T11:00:00Z","days":{"2026-09-19":{"hits":1,"uniques":1},"2026-09-20":{"hits":2,"uniques":2}},"months":{"2026-09":{"hits":3,"uniques":3}}}
    {"site":{"uniques":3,"days":{"2026-09-19":1,"2026-09-20":2},"months":{"2026-09":3}}}
    "#);
    assert_eq!(import(&test_env, &packed, &[])["already"], 1);
    // The unpacked file is the same import. With counted bots it is a different one.
    assert_eq!(import(&test_env, GOATCOUNTER.as_bytes(), &["--format", "goatcounter"])["already"], 1);
    let with_bots = deployed_env("bots = \"count\"");
    assert_eq!(import(&with_bots, &packed, &[])["hits"], 4);
    let output = run_import(&test_env, GOATCOUNTER.as_bytes(), &["--format", "csv"]);
    assert_eq!(
        output.json()["error"]["message"],
        "line 1: expected a header with the columns path and hits, found none named path or hits"
    );
}

/// Returns an export of GoatCounter 2.7, with separate files for paths and hits.
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
fn goatcounter_json_zip_is_counted() {
    let test_env = deployed_env("");
    let zip = goatcounter_zip(STATS);
    let dry = run_import(&test_env, &zip, &["--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    let report = dry.json();
    assert_eq!(
        (&report["counted"], &report["hits"], &report["dry_run"]),
        (&json!(2), &json!(8), &json!(true))
    );
    assert_eq!((&report["read"], &report["left_out"]["events"]), (&json!(4), &json!(9)));
    assert!(report["not_kept"][0].as_str().unwrap().contains("referrers"), "{report}");
    assert_eq!(
        test_env.counts(&["export"]).stdout,
        "path,hits,uniques,first,last\r\n",
        "a dry run writes nothing"
    );
    let output = run_import(&test_env, &zip, &[]);
    insta::assert_snapshot!(output.stderr, @"
    read 4 records from GoatCounter's JSON export
    skipped: 9 events
    not imported: hours, titles, referrers, campaigns, browsers, systems, screen sizes, locations, languages
    app hits, env local, on this machine
    ");
    insta::assert_snapshot!(test_env.counts(&["export", "--format", "ndjson"]).stdout, @r#"
    {"path":"/","hits":5,"uniques":0,"first":"2026-11-05","last":"2026-11-07T15:00:00Z","days":{"2026-11-05":{"hits":4,"uniques":0},"2026-11-07":{"hits":1,"uniques":0}},"months":{"2026-11":{"hits":5,"uniques":0}}}
    {"path":"/api","hits":3,"uniques":0,"first":"2026-11-07","last":"2026-11-07T15:00:00Z","days":{"2026-11-07":{"hits":3,"uniques":0}},"months":{"2026-11":{"hits":3,"uniques":0}}}
    "#);
    assert_eq!(import(&test_env, &zip, &[])["already"], 2);
    assert_eq!(import(&test_env, &zip, &["--dry-run"])["already"], 2);
    // Empty and invalid exports are refused with a reason.
    let refused = |content: &[u8]| run_import(&test_env, content, &[]).json()["error"].clone();
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
fn csv_export_escapes_formulas_and_import_restores_them() {
    let (from, to) = (deployed_env(""), deployed_env(""));
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
fn all_inputs_enforce_the_same_range() {
    const MAX_HITS: u64 = 9_007_199_254_740_991;
    let test_env = deployed_env("");
    let max_hits = MAX_HITS.to_string();
    for args in [
        &["set", "/", "9007199254740992"] as &[&str],
        &["set", "/", "18446744073709551615"],
        &["set", "/", "18446744073709551616"],
        &["add", "/", "9007199254740992"],
        &["import", "--start-at", "18446744073709551615", "--path", "/"],
    ] {
        let output = test_env.run(&[&["counts"], args].concat());
        assert_eq!(output.code, 64, "{args:?}: {output:?}");
        assert!(output.stderr.contains("9007199254740991"), "the error names the range: {output:?}");
    }
    for text in ["/,18446744073709551615\n", "{\"path\":\"/\",\"hits\":9007199254740992}\n"] {
        let output = run_import(&test_env, text.as_bytes(), &[]);
        let message = output.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("from 0 to 9007199254740991"), "{message}");
    }
    // The limit applies to the sum with the existing count.
    assert_eq!(test_env.run(&["counts", "set", "/", &max_hits]).code, 0);
    assert_eq!(test_env.run(&["counts", "set", "/b", "1"]).code, 0);
    for args in [
        &["add", "/", "1"] as &[&str],
        &["merge", "/b", "/", "--yes"],
        &["import", "--start-at", "1", "--path", "/"],
    ] {
        let output = test_env.run(&[&["counts"], args, &["--json"]].concat());
        let error = output.json()["error"].clone();
        assert_eq!((output.code, &error["code"]), (1, &json!("out_of_range")), "{args:?}: {error}");
        assert!(error["message"].as_str().unwrap().contains(&max_hits), "{error}");
    }
    assert_eq!(
        (row(&test_env, "/")["hits"].clone(), row(&test_env, "/b")["hits"].clone()),
        (json!(MAX_HITS), json!(1))
    );
}

#[test]
fn hit_on_out_of_range_count_loses_nothing() {
    let count_all = "bots = \"count\"\nvisitors = \"none\"\npaths = \"open\"\nrepeat_window_s = 0";
    let test_env = deployed_env(count_all);
    let url = test_env.deploy();
    for (path, hits, shown) in [
        ("/large", "18446744073709551615", 9_007_199_254_740_991_u64),
        ("/most", "9007199254740991", 9_007_199_254_740_991),
        ("/giant", "99999999999999999999999999999999999999", 9_007_199_254_740_991),
        ("/fraction", "2.5", 3),
        ("/negative", "-3", 0),
    ] {
        let item = json!({ "path": { "S": path }, "hits": { "N": hits } });
        test_env.table("PutItem", &json!({ "TableName": "hits-local", "Item": item }));
        let response = get(&url, &format!("/counter?path={path}")).json();
        assert_eq!((&response["hits"], &response["counted"]), (&json!(shown), &json!(true)), "{path}");
        assert_eq!(row(&test_env, path)["hits"], shown, "{path}");
        let listed = test_env.counts(&["list", "--json"]).json();
        let listed = listed["counts"].as_array().unwrap().iter().find(|row| row["path"] == path).cloned();
        assert_eq!(listed.unwrap_or_else(|| panic!("{path} is lost"))["hits"], shown);
    }
    // A count above the maximum can be corrected with `counts set`.
    assert_eq!(test_env.run(&["counts", "set", "/large", "7", "--confirm", "local"]).code, 0);
    assert_eq!(row(&test_env, "/large")["hits"], 7);
}

#[test]
fn start_value_counts_once() {
    let test_env = deployed_env("");
    test_env.counts(&["add", "/", "3"]);
    let start = ["import", "--start-at", "12000", "--path", "/index.html"];
    assert_eq!(test_env.counts(&start).stdout, "Imported 1 path with 12000 views.\n");
    assert_eq!(row(&test_env, "/")["hits"], 12_003);
    // Repeating the command keeps the hits since then.
    test_env.counts(&["add", "/", "4"]);
    assert!(test_env.counts(&start).stdout.starts_with("Already imported: 1 path with"));
    assert_eq!(row(&test_env, "/")["hits"], 12_007);
    let output = test_env.run(&["counts", "import", "--start-at", "13000", "--path", "/", "--json"]);
    let error = output.json()["error"].clone();
    assert_eq!((output.code, &error["code"]), (1, &json!("already_begun")));
    assert_eq!(error["message"], "\"/\" already has another start value");
    test_env.counts(&["import", "--start-at", "1", "--path", "/other"]);
    for args in [
        vec!["--start-at", "1"],
        vec!["--path", "/"],
        vec!["x.csv", "--start-at", "1", "--path", "/"],
        vec![],
    ] {
        assert_eq!(test_env.run(&[vec!["counts", "import"], args.clone()].concat()).code, 64, "{args:?}");
    }
}
