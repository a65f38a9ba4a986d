//! Reads a sitemap (sitemaps.org): the addresses of pages, or of further sitemaps. Pure: what it names is fetched by
//! others, or not at all. Entities are only those of XML itself, so that a file cannot grow while it is read.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

/// What a sitemap says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sitemap {
    /// Pages, by their addresses.
    Pages(Vec<String>),
    /// Further sitemaps, by their addresses.
    Index(Vec<String>),
}

/// Reads one.
pub fn read(content: &[u8]) -> Result<Sitemap, String> {
    let text = std::str::from_utf8(content).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    // The local names of the elements that are open, and the text of the innermost.
    let mut open: Vec<String> = Vec::new();
    let mut text = String::new();
    let (mut root, mut found) = (None::<String>, Vec::new());
    loop {
        let event = reader
            .read_event()
            .map_err(|error| format!("it is no XML: {error} (at byte {})", reader.error_position()))?;
        match event {
            Event::Start(element) => {
                let name = element.local_name().as_ref().to_owned();
                if open.is_empty() {
                    root.get_or_insert(name.clone());
                }
                open.push(name);
                text.clear();
            }
            Event::End(_) => {
                let path: Vec<&str> = open.iter().map(String::as_str).collect();
                // Of the page itself: those of its images and videos stand deeper.
                if matches!(path[..], ["urlset", "url", "loc"] | ["sitemapindex", "sitemap", "loc"]) {
                    found.push(text.trim().to_owned());
                }
                open.pop();
                text.clear();
            }
            Event::Empty(element) if open.is_empty() => {
                root.get_or_insert(element.local_name().as_ref().to_owned());
            }
            Event::Text(part) => text.push_str(&part),
            Event::CData(part) => text.push_str(&part),
            Event::GeneralRef(entity) => text.push_str(&resolved(&entity)?),
            Event::Eof if open.is_empty() => break,
            Event::Eof => return Err("it ends in the middle".to_owned()),
            _ => {}
        }
    }
    match root.as_deref() {
        Some("urlset") => Ok(Sitemap::Pages(found)),
        Some("sitemapindex") => Ok(Sitemap::Index(found)),
        Some(other) => Err(format!("it is no sitemap: its outermost element is <{other}>")),
        None => Err("there is no element in it".to_owned()),
    }
}

/// What `&amp;` and `&#38;` stand for.
fn resolved(entity: &BytesRef<'_>) -> Result<String, String> {
    let character = entity.resolve_char_ref().map_err(|error| error.to_string())?;
    if let Some(character) = character {
        return Ok(character.to_string());
    }
    let name: &str = entity;
    let text = resolve_predefined_entity(name).map(str::to_owned);
    text.ok_or_else(|| format!("it has an entity that is not of XML: &{name};"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(text: &str) -> Vec<String> {
        match read(text.as_bytes()).unwrap() {
            Sitemap::Pages(pages) => pages,
            Sitemap::Index(_) => panic!("an index"),
        }
    }

    #[test]
    fn pages_are_read_and_their_images_are_not() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- by hand -->
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
  <url>
    <loc> https://me.example/a?b=1&amp;c=&#50; </loc>
    <lastmod>2026-09-20</lastmod>
    <image:image><image:loc>https://me.example/a.png</image:loc></image:image>
  </url>
  <url><loc><![CDATA[https://me.example/b&c]]></loc></url>
  <url/>
</urlset>
"#;
        assert_eq!(pages(text), ["https://me.example/a?b=1&c=2", "https://me.example/b&c"]);
        assert_eq!(
            pages("\u{feff}<s:urlset xmlns:s='x'><s:url><s:loc>/x</s:loc></s:url></s:urlset>"),
            ["/x"]
        );
        assert_eq!(pages("<urlset></urlset>"), Vec::<String>::new());
        assert_eq!(pages("<urlset/>"), Vec::<String>::new());
    }

    #[test]
    fn an_index_names_further_sitemaps() {
        let text = "<sitemapindex><sitemap><loc>https://me.example/s1.xml</loc></sitemap></sitemapindex>";
        assert_eq!(read(text.as_bytes()), Ok(Sitemap::Index(vec!["https://me.example/s1.xml".to_owned()])));
    }

    #[test]
    fn what_is_no_sitemap_is_refused_with_the_reason() {
        let refused = |text: &str| read(text.as_bytes()).unwrap_err();
        assert_eq!(refused("<html></html>"), "it is no sitemap: its outermost element is <html>");
        assert_eq!(refused(""), "there is no element in it");
        assert_eq!(refused("<urlset><url>"), "it ends in the middle");
        assert!(refused("<urlset></url>").starts_with("it is no XML: "));
        assert_eq!(read(b"<urlset>\xff").unwrap_err(), "it is not UTF-8");
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><urlset><url><loc>&a;</loc></url></urlset>";
        assert_eq!(refused(bomb), "it has an entity that is not of XML: &a;");
    }
}
