//! The pages of a site: the HTML files of a directory, or what a sitemap names, by the keys that the function counts them
//! under. It must not know of counts.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hit_counter::path;
use hitctl_cloud::Web;
use hitctl_counts::import::unpacked;
use hitctl_counts::pages::sitemap::{self, Sitemap};
use hitctl_counts::pages::{Pages, Refused};
use hitctl_report::Failure;

use crate::session::Session;

/// The largest sitemap that sitemaps.org allows, in bytes.
const LARGEST: u64 = 50 * 1024 * 1024;
/// The most sitemaps of one index, as sitemaps.org has it.
const MOST_SITEMAPS: usize = 50_000;

/// The pages of a site: `source` is its directory, a sitemap in a file, or the address of one. With `clean_urls` a page
/// `about.html` is served as `/about`.
pub(crate) async fn find(
    session: &Session,
    source: &str,
    clean_urls: bool,
    keep_query: &[String],
) -> Result<Pages, Failure> {
    let mut pages = Pages::keeping(keep_query);
    if is_url(source) {
        let web = Web::new(&session.env)?;
        let mut left = vec![source.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(url) = left.pop().filter(|_| !session.stop.is_cancelled()) {
            if !seen.insert(url.clone()) {
                continue;
            }
            let got = web.fetch(&url, LARGEST).await.map_err(|why| {
                Failure::new("not_fetched", format!("failed to get {url}"))
                    .caused_by(why)
                    .hinted("download the sitemap and name the file instead")
            })?;
            left.extend(further(&mut pages, &url, got)?);
        }
        return Ok(pages);
    }
    let path = session.cwd.join(source);
    let failed = |path: &Path, error: std::io::Error| {
        Failure::usage(format!("failed to read {}", path.display())).caused_by(error)
    };
    if fs::metadata(&path).map_err(|error| failed(&path, error))?.is_dir() {
        walk(&mut pages, path, clean_urls).map_err(|(path, error)| failed(&path, error))?;
        return Ok(pages);
    }
    let dir = path.parent().unwrap_or(Path::new(".")).to_path_buf();
    let mut left = vec![path];
    let mut seen = BTreeSet::new();
    while let Some(file) = left.pop() {
        if !seen.insert(file.clone()) {
            continue;
        }
        let content = fs::read(&file).map_err(|error| failed(&file, error))?;
        for url in further(&mut pages, &file.display().to_string(), content)? {
            left.push(beside(&dir, &url)?);
        }
    }
    Ok(pages)
}

fn is_url(source: &str) -> bool {
    let lower = source.get(..8).unwrap_or(source).to_ascii_lowercase();
    lower.starts_with("https://") || lower.starts_with("http://")
}

/// Takes the pages of a sitemap, or says which further ones there are.
fn further(pages: &mut Pages, name: &str, content: Vec<u8>) -> Result<Vec<String>, Failure> {
    let wrong = |why: String| Failure::new("bad_sitemap", format!("{name} cannot be used")).caused_by(why);
    match sitemap::read(&unpacked(content, LARGEST)?).map_err(wrong)? {
        Sitemap::Index(urls) if urls.len() > MOST_SITEMAPS => {
            Err(wrong(format!("it names more than {MOST_SITEMAPS} sitemaps")))
        }
        Sitemap::Index(urls) => Ok(urls),
        Sitemap::Pages(urls) => {
            for url in &urls {
                pages.add(url);
            }
            Ok(Vec::new())
        }
    }
}

/// The file of a sitemap that an index names by its address: under the directory of the index, where the address says, or
/// right there.
fn beside(dir: &Path, url: &str) -> Result<PathBuf, Failure> {
    let key = path::normalise(url);
    let path = key.as_ref().map_or(url, |key| key.as_str()).trim_start_matches('/');
    let places = [dir.join(path), dir.join(path.rsplit('/').next().unwrap_or(path))];
    places.into_iter().find(|place| place.is_file()).ok_or_else(|| {
        Failure::usage(format!("the sitemap index names {url}, which is not in {}", dir.display()))
            .hinted("name the index by its address, so that all of it is fetched")
    })
}

/// Every HTML file under a directory, but for what is hidden.
fn walk(pages: &mut Pages, top: PathBuf, clean_urls: bool) -> Result<(), (PathBuf, std::io::Error)> {
    let mut left = vec![(top, String::new())];
    while let Some((dir, prefix)) = left.pop() {
        let entries = fs::read_dir(&dir).map_err(|error| (dir.clone(), error))?;
        for entry in entries {
            let entry = entry.map_err(|error| (dir.clone(), error))?;
            let path = entry.path();
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let kind = entry.file_type().map_err(|error| (path.clone(), error))?;
            if kind.is_dir() {
                // A name that is not UTF-8 is refused at its files.
                left.push((path, format!("{prefix}/{}", encoded(&name.to_string_lossy()))));
                continue;
            }
            let ending = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
            let is_page = ending.is_some_and(|ending| ending == "html" || ending == "htm");
            // A link may lead to a file, or to nowhere; one to a directory may lead in a circle.
            if !is_page || kind.is_symlink() && !path.is_file() {
                continue;
            }
            match name.to_str() {
                Some(name) => pages.add(&served(&prefix, name, clean_urls)),
                None => pages.refused.push(Refused {
                    page: path.display().to_string(),
                    why: "the name is not UTF-8".to_owned(),
                }),
            }
        }
    }
    Ok(())
}

/// The path under which a file is served.
fn served(prefix: &str, name: &str, clean_urls: bool) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let shown = if clean_urls && stem != "index" { stem } else { name };
    format!("{prefix}/{}", encoded(shown))
}

/// A file's name as it stands in a path: what would end the path, or decode to something else, is encoded.
fn encoded(name: &str) -> String {
    name.replace('%', "%25").replace('?', "%3F").replace('#', "%23")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        dir
    }

    fn keys(dir: &Path, clean_urls: bool) -> Vec<String> {
        let mut pages = Pages::default();
        walk(&mut pages, dir.to_path_buf(), clean_urls).unwrap();
        pages.keys.into_iter().collect()
    }

    #[test]
    fn html_files_are_pages_under_the_paths_that_they_are_served_as() {
        let dir = site(&[
            "index.html",
            "about.html",
            "blog/index.html",
            "blog/caf\u{e9} 100%?#.htm",
            "a/b/INDEX.HTML",
            "feed.xml",
            "html",
            ".git/index.html",
            ".hidden.html",
        ]);
        std::os::unix::fs::symlink(dir.path(), dir.path().join("circle")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("about.html"), dir.path().join("again.html")).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("broken.html")).unwrap();
        assert_eq!(
            keys(dir.path(), false),
            [
                "/",
                "/a/b/INDEX.HTML",
                "/about.html",
                "/again.html",
                "/blog",
                "/blog/caf%C3%A9%20100%25%3F%23.htm"
            ]
        );
        assert_eq!(
            keys(dir.path(), true),
            ["/", "/a/b/INDEX", "/about", "/again", "/blog", "/blog/caf%C3%A9%20100%25%3F%23"]
        );
    }

    #[test]
    fn what_cannot_be_counted_is_told() {
        let dir = site(&["a\\b.html", "ok.html"]);
        let mut pages = Pages::default();
        walk(&mut pages, dir.path().to_path_buf(), false).unwrap();
        assert_eq!(pages.keys.len(), 1);
        assert_eq!(
            pages.refused,
            [Refused { page: "/a\\b.html".to_owned(), why: "the path holds a backslash".to_owned() }]
        );
    }

    #[test]
    fn further_sitemaps_are_found_beside_their_index() {
        let dir = site(&["one.xml", "maps/two.xml"]);
        let at = |url: &str| {
            beside(dir.path(), url).map(|path| path.strip_prefix(dir.path()).unwrap().to_path_buf())
        };
        assert_eq!(at("https://me.example/one.xml").unwrap(), Path::new("one.xml"));
        assert_eq!(at("https://me.example/x/one.xml").unwrap(), Path::new("one.xml"));
        assert_eq!(at("https://me.example/maps/two.xml").unwrap(), Path::new("maps/two.xml"));
        assert!(at("https://me.example/../../etc/passwd").is_err());
    }
}
