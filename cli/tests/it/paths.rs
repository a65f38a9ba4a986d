//! `paths sync` from a directory and from sitemaps, and after interrupted runs.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::{Value as Json, json};

use crate::proxy::{CloudProxy, Cut};
use crate::support::{CommandOutput, TestEnv};

fn deployed_env() -> TestEnv {
    let test_env = TestEnv::with_config("[counter]\nvisitors = \"none\"\npaths = \"open\"\n");
    test_env.deploy();
    test_env
}

fn write_file(test_env: &TestEnv, name: &str, content: &str) {
    let path = test_env.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

#[track_caller]
fn ok(test_env: &TestEnv, args: &[&str]) -> CommandOutput {
    let output = test_env.run(args);
    assert_eq!(output.code, 0, "{args:?}: {output:?}");
    output
}

#[track_caller]
fn sync(test_env: &TestEnv, args: &[&str]) -> Json {
    ok(test_env, &[&["paths", "sync", "--json"], args].concat()).json()
}

fn listed(test_env: &TestEnv) -> Json {
    ok(test_env, &["paths", "list", "--json"]).json()["paths"].clone()
}

#[test]
fn repeated_directory_sync_adds_only_new_pages() {
    let test_env = deployed_env();
    for name in ["index.html", "about.html", "blog/index.html", "blog/first/index.html", "style.css"] {
        write_file(&test_env, &format!("public/{name}"), "x");
    }
    ok(&test_env, &["counts", "set", "/blog", "7"]);
    ok(&test_env, &["counts", "set", "/gone", "1200"]);
    ok(&test_env, &["counts", "set", "/typo", "0"]);
    let preview = sync(&test_env, &["public", "--dry-run", "--prune"]);
    assert_eq!(preview["added"], json!(["/", "/about.html", "/blog/first"]));
    assert_eq!((&preview["removed"], &preview["dry_run"]), (&json!(["/typo"]), &json!(true)));
    assert_eq!(listed(&test_env), json!(["/blog", "/gone", "/typo"]), "a dry run changes nothing");
    insta::assert_snapshot!(ok(&test_env, &["paths", "sync", "public"]).stdout, @"
    + /
    + /about.html
    + /blog/first
    ? /gone  1200 views, but no page
    ? /typo  0 views, but no page

    3 paths added, 1 unchanged.
    ");
    assert_eq!(ok(&test_env, &["counts", "get", "/blog", "--json"]).json()["counts"][0]["hits"], 7);
    assert_eq!(
        ok(&test_env, &["counts", "get", "/about.html", "--json"]).json()["counts"][0],
        json!({ "path": "/about.html", "hits": 0, "uniques": 0, "first": null, "last": null })
    );
    insta::assert_snapshot!(ok(&test_env, &["paths", "sync", "public", "--prune"]).stdout, @"
    - /typo
    ? /gone  1200 views, but no page

    0 paths added, 1 path removed, 4 unchanged.
    ");
    assert_eq!(ok(&test_env, &["paths", "list"]).stdout, "/\n/about.html\n/blog\n/blog/first\n/gone\n");
    // Repeating the sync writes nothing.
    let proxy = CloudProxy::attach(&test_env);
    let repeated = sync(&test_env, &["public", "--prune"]);
    assert_eq!((&repeated["added"], &repeated["kept"]), (&json!([]), &json!(4)));
    assert!(
        proxy.take_calls().iter().all(|call| !call.contains("PutItem") && !call.contains("Transact")),
        "{:?}",
        proxy.take_calls()
    );
}

const URLS: &str = "<urlset><url><loc>https://me.example/</loc></url><url><loc>https://me.example/b/?x=1&amp;y</loc></url></urlset>";
const INDEX: &str =
    "<sitemapindex><sitemap><loc>https://me.example/maps/pages.xml</loc></sitemap></sitemapindex>";

#[test]
fn sitemap_index_is_read_from_neighbouring_files() {
    let test_env = deployed_env();
    write_file(&test_env, "public/sitemap.xml", INDEX);
    let output = test_env.run(&["paths", "sync", "public/sitemap.xml", "--json"]);
    assert_eq!(output.code, 64, "{output:?}");
    assert!(
        output.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("of the sitemap https://me.example/maps/pages.xml in"),
        "{output:?}"
    );
    write_file(&test_env, "public/maps/pages.xml", URLS);
    assert_eq!(sync(&test_env, &["public/sitemap.xml"])["added"], json!(["/", "/b"]));
    write_file(&test_env, "public/sitemap.xml", "<html></html>");
    let output = test_env.run(&["paths", "sync", "public/sitemap.xml", "--json"]);
    assert_eq!((output.code, output.json()["error"]["code"].as_str()), (1, Some("bad_sitemap")));
    for source in ["public/maps", "none"] {
        write_file(&test_env, "public/maps/pages.xml", "<urlset/>");
        let output = test_env.run(&["paths", "sync", source, "--json"]);
        assert_eq!(output.code, 64, "{source}: {output:?}");
    }
    assert_eq!(listed(&test_env), json!(["/", "/b"]));
}

/// Serves pages by their paths until the test ends, one request per connection. Replaces `URL` in the pages with the
/// URL of the server, and returns it.
fn serve(pages: Vec<(&'static str, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let base = url.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 2048];
            let n = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..n]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let page =
                pages.iter().find(|(name, _)| *name == path).map(|(_, page)| page.replace("URL", &base));
            let (status, page) = page.map_or(("404 Not Found", String::new()), |page| ("200 OK", page));
            let head =
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", page.len());
            drop(stream.write_all((head + &page).as_bytes()));
        }
    });
    url
}

#[test]
fn sitemap_index_is_fetched_with_its_sitemaps() {
    let test_env = deployed_env();
    let index = INDEX.replace("https://me.example", "URL");
    let url = serve(vec![("/sitemap.xml", index), ("/maps/pages.xml", URLS.to_owned())]);
    let source = format!("{url}/sitemap.xml");
    assert_eq!(sync(&test_env, &[&source])["added"], json!(["/", "/b"]));
    let output = test_env.run(&["paths", "sync", &format!("{url}/none.xml"), "--json"]);
    let error = output.json()["error"].clone();
    assert_eq!(
        (output.code, &error["code"], &error["cause"]),
        (1, &json!("not_fetched"), &json!("expected HTTP 200, found 404"))
    );
}

/// Cuts every call of a sync in every way. The next run completes the sync, and no count changes.
#[test]
fn sync_cut_at_any_call_is_completed_by_next_run() {
    let test_env = deployed_env();
    let pages = 3;
    for cut in [Cut::RequestLost, Cut::ResponseLost, Cut::ProgramKilledBefore, Cut::ProgramKilledAfter] {
        for n in 1.. {
            let dir = format!("site-{cut:?}-{n}");
            for page in 0..pages {
                write_file(&test_env, &format!("{dir}/{dir}-{page}.html"), "x");
            }
            ok(&test_env, &["counts", "set", &format!("/{dir}-0.html"), "5"]);
            let args = ["paths", "sync", &dir];
            let proxy = CloudProxy::attach(&test_env);
            proxy.cut(n, cut);
            if cut.kills_program() {
                let mut program = test_env.command(&args);
                let program = program.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
                let mut program = program.spawn().unwrap();
                proxy.set_program(&program);
                program.wait().unwrap();
            } else {
                test_env.run(&args);
            }
            let reached = proxy.take_calls().len() >= n;
            drop(proxy);
            sync(&test_env, &[&dir]);
            let repeated = sync(&test_env, &[&dir]);
            assert_eq!((&repeated["added"], &repeated["kept"]), (&json!([]), &json!(pages)), "{dir}");
            let first = ok(&test_env, &["counts", "get", &format!("/{dir}-0.html"), "--json"]).json();
            assert_eq!(first["counts"][0]["hits"], 5, "{dir}");
            if !reached {
                break;
            }
        }
    }
}
