//! Finds the pages of a site: the HTML files in a directory, or the URLs in a sitemap. It must not read or change
//! counts.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use hit_counter::path;
use hitctl_cloud::WebClient;
use hitctl_counts::import::decompress;
use hitctl_counts::pages::sitemap::{self, Sitemap};
use hitctl_counts::pages::{RejectedPage, SitePages};
use hitctl_report::Failure;

use crate::session::Session;

/// The maximum size of a sitemap in bytes, from sitemaps.org.
const MAX_BYTES: u64 = 50 * 1024 * 1024;
/// The maximum number of sitemaps in an index, from sitemaps.org.
const MAX_SITEMAPS: usize = 50_000;

/// Returns the pages of a site. `source` is a directory, or the file or URL of a sitemap. With `clean_urls`, the file
/// `about.html` is the page `/about`.
pub(crate) async fn find(
    session: &Session,
    source: &str,
    clean_urls: bool,
    keep_query: &[String],
) -> Result<SitePages, Failure> {
    let mut pages = SitePages::with_query_parameters(keep_query);
    if is_url(source) {
        let web = WebClient::new(&session.env)?;
        let mut pending = vec![source.to_owned()];
        let mut visited = BTreeSet::new();
        while let Some(url) = pending.pop().filter(|_| !session.stop.is_cancelled()) {
            if !visited.insert(url.clone()) {
                continue;
            }
            let content = web.fetch(&url, MAX_BYTES).await.map_err(|error| {
                Failure::new("not_fetched", format!("failed to download {url}"))
                    .caused_by(error)
                    .hinted("download the sitemap and pass the file instead")
            })?;
            pending.extend(read_sitemap(&mut pages, &url, content)?);
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
    let mut pending = vec![path];
    let mut visited = BTreeSet::new();
    while let Some(file) = pending.pop() {
        if !visited.insert(file.clone()) {
            continue;
        }
        let content = fs::read(&file).map_err(|error| failed(&file, error))?;
        for url in read_sitemap(&mut pages, &file.display().to_string(), content)? {
            pending.push(sitemap_file(&dir, &url)?);
        }
    }
    Ok(pages)
}

fn is_url(source: &str) -> bool {
    let lower = source.get(..8).unwrap_or(source).to_ascii_lowercase();
    lower.starts_with("https://") || lower.starts_with("http://")
}

/// Adds the pages of a sitemap to `pages`. For a sitemap index, returns the URLs of its sitemaps instead.
fn read_sitemap(pages: &mut SitePages, name: &str, content: Vec<u8>) -> Result<Vec<String>, Failure> {
    let invalid = |why: String| {
        Failure::new("bad_sitemap", format!("failed to read the sitemap {name}"))
            .caused_by(why)
            .hinted("pass an XML sitemap or a sitemap index")
    };
    match sitemap::parse(&decompress(content, MAX_BYTES)?).map_err(invalid)? {
        Sitemap::Index(urls) if urls.len() > MAX_SITEMAPS => {
            Err(invalid(format!("expected at most {MAX_SITEMAPS} sitemaps, found {}", urls.len())))
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

/// Returns the local copy of a sitemap that an index lists by its URL. Looks in `dir`, the directory of the index: first
/// at the path of the URL, then for the file name directly in the directory.
fn sitemap_file(dir: &Path, url: &str) -> Result<PathBuf, Failure> {
    let key = path::normalise(url);
    let path = key.as_ref().map_or(url, |key| key.as_str()).trim_start_matches('/');
    let candidates = [dir.join(path), dir.join(path.rsplit('/').next().unwrap_or(path))];
    candidates.into_iter().find(|candidate| candidate.is_file()).ok_or_else(|| {
        Failure::usage(format!("failed to find a local copy of the sitemap {url} in {}", dir.display()))
            .hinted("pass the URL of the index instead; hitctl then downloads the sitemaps")
    })
}

/// Adds the HTML files in a directory and its subdirectories. Hidden files and directories are skipped.
fn walk(pages: &mut SitePages, top: PathBuf, clean_urls: bool) -> Result<(), (PathBuf, std::io::Error)> {
    let mut pending = vec![(top, String::new())];
    while let Some((dir, prefix)) = pending.pop() {
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
                // A directory name that is not UTF-8 is changed here; its files are then rejected.
                pending.push((path, format!("{prefix}/{}", encode_name(&name.to_string_lossy()))));
                continue;
            }
            let extension = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
            let is_page = extension.is_some_and(|extension| extension == "html" || extension == "htm");
            // A symbolic link counts if it points to a file. Links to directories are skipped: they may form a loop.
            if !is_page || kind.is_symlink() && !path.is_file() {
                continue;
            }
            match name.to_str() {
                Some(name) => pages.add(&served_path(&prefix, name, clean_urls)),
                None => pages.rejected.push(RejectedPage {
                    page: path.display().to_string(),
                    why: "the name is not UTF-8".to_owned(),
                }),
            }
        }
    }
    Ok(())
}

/// Returns the path under which a file is served.
fn served_path(prefix: &str, name: &str, clean_urls: bool) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let served_name = if clean_urls && stem != "index" { stem } else { name };
    format!("{prefix}/{}", encode_name(served_name))
}

/// Percent-encodes the characters of a file name that have a meaning in a URL: `%`, `?` and `#`.
fn encode_name(name: &str) -> String {
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
        let mut pages = SitePages::default();
        walk(&mut pages, dir.to_path_buf(), clean_urls).unwrap();
        pages.keys.into_iter().collect()
    }

    #[test]
    fn html_files_are_pages_under_their_served_paths() {
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
    fn uncountable_pages_are_reported() {
        let dir = site(&["a\\b.html", "ok.html"]);
        let mut pages = SitePages::default();
        walk(&mut pages, dir.path().to_path_buf(), false).unwrap();
        assert_eq!(pages.keys.len(), 1);
        assert_eq!(
            pages.rejected,
            [RejectedPage { page: "/a\\b.html".to_owned(), why: "the path contains a backslash".to_owned() }]
        );
    }

    #[test]
    fn sitemaps_are_found_next_to_their_index() {
        let dir = site(&["one.xml", "maps/two.xml"]);
        let found = |url: &str| {
            sitemap_file(dir.path(), url).map(|path| path.strip_prefix(dir.path()).unwrap().to_path_buf())
        };
        assert_eq!(found("https://me.example/one.xml").unwrap(), Path::new("one.xml"));
        assert_eq!(found("https://me.example/x/one.xml").unwrap(), Path::new("one.xml"));
        assert_eq!(found("https://me.example/maps/two.xml").unwrap(), Path::new("maps/two.xml"));
        assert!(found("https://me.example/../../etc/passwd").is_err());
    }
}
