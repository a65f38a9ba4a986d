//! URL helpers: host, scheme and loopback.

/// Returns the host of a URL, with its port if it has one.
pub(crate) fn host_and_port(url: &str) -> String {
    let authority = url.parse::<hyper::Uri>().ok().and_then(|uri| uri.authority().cloned());
    // A user name and a password are removed, so that they are never shown.
    authority.map_or_else(String::new, |authority| {
        let all = authority.as_str();
        all.rsplit_once('@').map_or(all, |(_, host)| host).to_owned()
    })
}

/// Whether a URL refers to this machine.
pub fn is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<hyper::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    host.ends_with(".localhost") || hitctl_config::is_loopback(&host)
}

/// Whether a URL begins with `https://`.
pub(crate) fn is_secure(url: &str) -> bool {
    url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
}
