//! The pages of a site made known: from its directory, from sitemaps, and with hits that arrive meanwhile.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::{Value as Json, json};

use crate::support::{Ran, Yard};
use crate::wire::{Cut, Wire};

fn yard() -> Yard {
    let yard = Yard::with("[counter]\nvisitors = \"none\"\npaths = \"open\"\n");
    yard.deploy();
    yard
}

fn file(yard: &Yard, name: &str, content: &str) {
    let path = yard.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

#[track_caller]
fn ok(yard: &Yard, args: &[&str]) -> Ran {
    let ran = yard.run(args);
    assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
    ran
}

#[track_caller]
fn sync(yard: &Yard, args: &[&str]) -> Json {
    ok(yard, &[&["paths", "sync", "--json"], args].concat()).json()
}

fn listed(yard: &Yard) -> Json {
    ok(yard, &["paths", "list", "--json"]).json()["paths"].clone()
}

#[test]
fn a_directory_is_synced_once_and_then_only_what_is_new() {
    let yard = yard();
    for name in ["index.html", "about.html", "blog/index.html", "blog/first/index.html", "style.css"] {
        file(&yard, &format!("public/{name}"), "x");
    }
    ok(&yard, &["counts", "set", "/blog", "7"]);
    ok(&yard, &["counts", "set", "/gone", "1200"]);
    ok(&yard, &["counts", "set", "/typo", "0"]);
    let would = sync(&yard, &["public", "--dry-run", "--prune"]);
    assert_eq!(would["added"], json!(["/", "/about.html", "/blog/first"]));
    assert_eq!((&would["removed"], &would["dry_run"]), (&json!(["/typo"]), &json!(true)));
    assert_eq!(listed(&yard), json!(["/blog", "/gone", "/typo"]), "nothing was done");
    insta::assert_snapshot!(ok(&yard, &["paths", "sync", "public"]).stdout, @"
    + /
    + /about.html
    + /blog/first
    ? /gone  1200 hits, but no page
    ? /typo  0 hits, but no page

    3 paths added, 1 there already.
    ");
    assert_eq!(ok(&yard, &["counts", "get", "/blog", "--json"]).json()["counts"][0]["hits"], 7);
    assert_eq!(
        ok(&yard, &["counts", "get", "/about.html", "--json"]).json()["counts"][0],
        json!({ "path": "/about.html", "hits": 0, "uniques": 0, "first": null, "last": null })
    );
    insta::assert_snapshot!(ok(&yard, &["paths", "sync", "public", "--prune"]).stdout, @"
    - /typo
    ? /gone  1200 hits, but no page

    0 paths added, 1 path removed, 4 there already.
    ");
    assert_eq!(ok(&yard, &["paths", "list"]).stdout, "/\n/about.html\n/blog\n/blog/first\n/gone\n");
    // The same again writes nothing.
    let wire = Wire::tap(&yard);
    let again = sync(&yard, &["public", "--prune"]);
    assert_eq!((&again["added"], &again["kept"]), (&json!([]), &json!(4)));
    assert!(
        wire.calls().iter().all(|call| !call.contains("PutItem") && !call.contains("Transact")),
        "{:?}",
        wire.calls()
    );
}

const URLS: &str = "<urlset><url><loc>https://me.example/</loc></url><url><loc>https://me.example/b/?x=1&amp;y</loc></url></urlset>";
const INDEX: &str =
    "<sitemapindex><sitemap><loc>https://me.example/maps/pages.xml</loc></sitemap></sitemapindex>";

#[test]
fn sitemaps_are_read_from_files_and_an_index_names_its_neighbours() {
    let yard = yard();
    file(&yard, "public/sitemap.xml", INDEX);
    let ran = yard.run(&["paths", "sync", "public/sitemap.xml", "--json"]);
    assert_eq!(ran.code, 64, "{ran:?}");
    assert!(
        ran.json()["error"]["message"].as_str().unwrap().contains("maps/pages.xml, which is not in"),
        "{ran:?}"
    );
    file(&yard, "public/maps/pages.xml", URLS);
    assert_eq!(sync(&yard, &["public/sitemap.xml"])["added"], json!(["/", "/b"]));
    file(&yard, "public/sitemap.xml", "<html></html>");
    let ran = yard.run(&["paths", "sync", "public/sitemap.xml", "--json"]);
    assert_eq!((ran.code, ran.json()["error"]["code"].as_str()), (1, Some("bad_sitemap")));
    for nowhere in ["public/maps", "none"] {
        file(&yard, "public/maps/pages.xml", "<urlset/>");
        let ran = yard.run(&["paths", "sync", nowhere, "--json"]);
        assert_eq!(ran.code, 64, "{nowhere}: {ran:?}");
    }
    assert_eq!(listed(&yard), json!(["/", "/b"]));
}

/// Answers requests, each on a connection of its own, by their paths; until the test is over.
fn serve(pages: Vec<(&'static str, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let own = url.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut asked = [0; 2048];
            let n = stream.read(&mut asked).unwrap_or(0);
            let asked = String::from_utf8_lossy(&asked[..n]).into_owned();
            let path = asked.split(' ').nth(1).unwrap_or_default();
            let page =
                pages.iter().find(|(name, _)| *name == path).map(|(_, page)| page.replace("URL", &own));
            let (status, page) = page.map_or(("404 Not Found", String::new()), |page| ("200 OK", page));
            let head =
                format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", page.len());
            drop(stream.write_all((head + &page).as_bytes()));
        }
    });
    url
}

#[test]
fn a_sitemap_is_fetched_with_what_it_names() {
    let yard = yard();
    let index = INDEX.replace("https://me.example", "URL");
    let url = serve(vec![("/sitemap.xml", index), ("/maps/pages.xml", URLS.to_owned())]);
    let source = format!("{url}/sitemap.xml");
    assert_eq!(sync(&yard, &[&source])["added"], json!(["/", "/b"]));
    let ran = yard.run(&["paths", "sync", &format!("{url}/none.xml"), "--json"]);
    let error = ran.json()["error"].clone();
    assert_eq!(
        (ran.code, &error["code"], &error["cause"]),
        (1, &json!("not_fetched"), &json!("the answer was HTTP 404"))
    );
}

/// Every call is cut in every way; the next run brings it to its end, and no count is touched.
#[test]
fn a_sync_can_be_cut_anywhere() {
    let yard = yard();
    let pages = 3;
    for cut in [Cut::Unsent, Cut::Unanswered, Cut::ProgramBefore, Cut::ProgramAfter] {
        for n in 1.. {
            let dir = format!("site-{cut:?}-{n}");
            for page in 0..pages {
                file(&yard, &format!("{dir}/{dir}-{page}.html"), "x");
            }
            ok(&yard, &["counts", "set", &format!("/{dir}-0.html"), "5"]);
            let args = ["paths", "sync", &dir];
            let wire = Wire::tap(&yard);
            wire.cut(n, cut);
            if cut.kills_the_program() {
                let mut program = yard.command(&args);
                let program = program.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
                let mut program = program.spawn().unwrap();
                wire.holds(&program);
                program.wait().unwrap();
            } else {
                yard.run(&args);
            }
            let reached = wire.calls().len() >= n;
            drop(wire);
            sync(&yard, &[&dir]);
            let again = sync(&yard, &[&dir]);
            assert_eq!((&again["added"], &again["kept"]), (&json!([]), &json!(pages)), "{dir}");
            let first = ok(&yard, &["counts", "get", &format!("/{dir}-0.html"), "--json"]).json();
            assert_eq!(first["counts"][0]["hits"], 5, "{dir}");
            if !reached {
                break;
            }
        }
    }
}
