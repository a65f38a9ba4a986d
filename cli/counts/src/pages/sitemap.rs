//! Parses a sitemap (sitemaps.org) into the URLs of pages or of further sitemaps. Fetches nothing. Only the predefined
//! XML entities are resolved, so that the text cannot grow during parsing.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

/// The content of a sitemap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sitemap {
    /// The URLs of pages.
    Pages(Vec<String>),
    /// The URLs of further sitemaps.
    Index(Vec<String>),
}

/// Parses a sitemap. The error is a reason such as "it is not UTF-8".
pub fn parse(content: &[u8]) -> Result<Sitemap, String> {
    let text = std::str::from_utf8(content).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    // The local names of the open elements, and the text of the innermost one.
    let mut open_elements: Vec<String> = Vec::new();
    let mut text = String::new();
    let (mut root, mut found) = (None::<String>, Vec::new());
    loop {
        let event = reader
            .read_event()
            .map_err(|error| format!("it is not valid XML: {error} (at byte {})", reader.error_position()))?;
        match event {
            Event::Start(element) => {
                let name = element.local_name().as_ref().to_owned();
                if open_elements.is_empty() {
                    root.get_or_insert(name.clone());
                }
                open_elements.push(name);
                text.clear();
            }
            Event::End(_) => {
                let path: Vec<&str> = open_elements.iter().map(String::as_str).collect();
                // Only the URL of the page itself: those of its images and videos are nested deeper.
                if matches!(path[..], ["urlset", "url", "loc"] | ["sitemapindex", "sitemap", "loc"]) {
                    found.push(text.trim().to_owned());
                }
                open_elements.pop();
                text.clear();
            }
            Event::Empty(element) if open_elements.is_empty() => {
                root.get_or_insert(element.local_name().as_ref().to_owned());
            }
            Event::Text(part) => text.push_str(&part),
            Event::CData(part) => text.push_str(&part),
            Event::GeneralRef(entity) => text.push_str(&resolve_entity(&entity)?),
            Event::Eof if open_elements.is_empty() => break,
            Event::Eof => return Err("it is incomplete".to_owned()),
            _ => {}
        }
    }
    match root.as_deref() {
        Some("urlset") => Ok(Sitemap::Pages(found)),
        Some("sitemapindex") => Ok(Sitemap::Index(found)),
        Some(other) => Err(format!("expected <urlset> or <sitemapindex>, found <{other}>")),
        None => Err("expected <urlset> or <sitemapindex>, found no element".to_owned()),
    }
}

/// Resolves an entity such as `&amp;` or `&#38;`.
fn resolve_entity(entity: &BytesRef<'_>) -> Result<String, String> {
    let character = entity.resolve_char_ref().map_err(|error| error.to_string())?;
    if let Some(character) = character {
        return Ok(character.to_string());
    }
    let name: &str = entity;
    let text = resolve_predefined_entity(name).map(str::to_owned);
    text.ok_or_else(|| format!("expected a predefined XML entity, found &{name};"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(text: &str) -> Vec<String> {
        match parse(text.as_bytes()).unwrap() {
            Sitemap::Pages(pages) => pages,
            Sitemap::Index(_) => panic!("an index"),
        }
    }

    #[test]
    fn parse_reads_pages_and_ignores_images() {
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
    fn parse_of_index_returns_sitemaps() {
        let text = "<sitemapindex><sitemap><loc>https://me.example/s1.xml</loc></sitemap></sitemapindex>";
        assert_eq!(parse(text.as_bytes()), Ok(Sitemap::Index(vec!["https://me.example/s1.xml".to_owned()])));
    }

    #[test]
    fn parse_of_other_content_returns_reason() {
        let refused = |text: &str| parse(text.as_bytes()).unwrap_err();
        assert_eq!(refused("<html></html>"), "expected <urlset> or <sitemapindex>, found <html>");
        assert_eq!(refused(""), "expected <urlset> or <sitemapindex>, found no element");
        assert_eq!(refused("<urlset><url>"), "it is incomplete");
        assert!(refused("<urlset></url>").starts_with("it is not valid XML: "));
        assert_eq!(parse(b"<urlset>\xff").unwrap_err(), "it is not UTF-8");
        let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\">]><urlset><url><loc>&a;</loc></url></urlset>";
        assert_eq!(refused(bomb), "expected a predefined XML entity, found &a;");
    }
}
