//! Checks which environment variables a function on this machine may have.
//!
//! On this machine a function runs with the rights of the user, while on AWS it runs in a sandbox. Somebody else may
//! have written the file that sets its variables, so a variable must neither make the function run other code nor send
//! visitors' data elsewhere.

use std::net::IpAddr;

use crate::contract::{ENV_AWS_ENDPOINT, ENV_DYNAMODB_ENDPOINT};

/// Variables that make a program, the dynamic loader, the C library, a shell or a language runtime load or run other code,
/// or read other files in place of the system's.
const CODE_LOADING: &[&str] = &[
    // Shells and the search for programs.
    "BASHOPTS",
    "BASH_ENV",
    "CDPATH",
    "ENV",
    "GLOBIGNORE",
    "IFS",
    "PATH",
    "PS4",
    "SHELLOPTS",
    "ZDOTDIR",
    // The C library: variables that it ignores in set-user-ID programs.
    "GCONV_PATH",
    "GETCONF_DIR",
    "GLIBC_TUNABLES",
    "HOSTALIASES",
    "LOCALDOMAIN",
    "LOCPATH",
    "NIS_PATH",
    "NLSPATH",
    "RESOLV_HOST_CONF",
    "RES_OPTIONS",
    "TZDIR",
    // Libraries.
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "_RJEM_MALLOC_CONF",
    // An AWS profile can name a program that the SDK runs to get credentials.
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    // Language runtimes.
    "CLASSPATH",
    "GEM_HOME",
    "GEM_PATH",
    "JAVA_OPTIONS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PERL5DB",
    "PERL5LIB",
    "PERL5OPT",
    "PERLLIB",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "RUBYLIB",
    "RUBYOPT",
    "_JAVA_OPTIONS",
];

/// Prefixes of further variables that load code.
const CODE_LOADING_PREFIXES: &[&str] =
    &["BASH_FUNC_", "BUNDLE_", "CORECLR_", "COR_", "DOTNET_", "DYLD_", "LD_", "LUA_", "MALLOC_", "PYTHON"];

/// Variables that redirect calls to another host. Compared without regard to case.
const REDIRECTING: &[&str] =
    &["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];

/// The reason why a function on this machine must not have a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalVariableError {
    /// The variable makes the function load or run other code.
    LoadsCode,
    /// The variable is the address of a service on another machine.
    LeavesMachine,
}

/// Checks a variable of a function that runs on this machine. Names are case-sensitive, except for variables that
/// redirect calls, such as `HTTP_PROXY`.
pub fn check_local_variable(name: &str, value: &str) -> Result<(), LocalVariableError> {
    if CODE_LOADING.contains(&name) || CODE_LOADING_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Err(LocalVariableError::LoadsCode);
    }
    let is_service_endpoint = name.strip_prefix(ENV_AWS_ENDPOINT).is_some_and(|rest| rest.starts_with('_'));
    let is_endpoint = name == ENV_DYNAMODB_ENDPOINT
        || name == ENV_AWS_ENDPOINT
        || is_service_endpoint
        || REDIRECTING.iter().any(|known| name.eq_ignore_ascii_case(known));
    if is_endpoint && !is_loopback_url(value) {
        return Err(LocalVariableError::LeavesMachine);
    }
    Ok(())
}

/// Whether a `Host` header or the authority of a URL is a loopback name or address, with or without a port.
pub fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a URL, or `host:port/path` without a scheme, refers to this machine. A user name before the host is rejected,
/// because programs disagree on the host of such a URL.
fn is_loopback_url(url: &str) -> bool {
    let rest = match url.split_once("://") {
        Some((scheme, rest)) if ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
            rest
        }
        Some(_) => return false,
        None => url,
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    is_loopback(&rest[..end]) && !rest.contains(['@', '\\']) && !rest.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_that_loads_code_is_rejected() {
        for name in [
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "LD_AUDIT",
            "DYLD_INSERT_LIBRARIES",
            "PATH",
            "GCONV_PATH",
            "GLIBC_TUNABLES",
            "MALLOC_CHECK_",
            "LOCPATH",
            "NLSPATH",
            "HOSTALIASES",
            "RES_OPTIONS",
            "BASH_ENV",
            "BASH_FUNC_ls%%",
            "ENV",
            "SHELLOPTS",
            "BASHOPTS",
            "PS4",
            "IFS",
            "CDPATH",
            "GLOBIGNORE",
            "PYTHONPATH",
            "PYTHONSTARTUP",
            "NODE_OPTIONS",
            "NODE_PATH",
            "PERL5LIB",
            "PERL5OPT",
            "RUBYLIB",
            "RUBYOPT",
            "JAVA_TOOL_OPTIONS",
            "_JAVA_OPTIONS",
        ] {
            assert_eq!(check_local_variable(name, "x"), Err(LocalVariableError::LoadsCode), "{name}");
        }
    }

    #[test]
    fn other_variable_is_accepted() {
        for name in
            ["TOKEN", "ld_preload", "Path", "LDAP_HOST", "MY_PATH", "ENVIRONMENT", "TZ", "LANG", "PATHS"]
        {
            assert_eq!(check_local_variable(name, "https://example.com"), Ok(()), "{name}");
        }
    }

    #[test]
    fn endpoint_is_accepted_only_on_this_machine() {
        let names =
            ["DYNAMODB_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS"];
        for name in names {
            for url in [
                "http://127.0.0.1:8000",
                "http://127.0.0.1",
                "https://localhost:4566/",
                "HTTP://LocalHost:1/a?b",
                "http://[::1]:8000",
                "http://127.8.9.1:1",
                "localhost:8000",
            ] {
                assert_eq!(check_local_variable(name, url), Ok(()), "{name} {url}");
            }
            for url in [
                "",
                "http://",
                "https://evil.example",
                "http://127.0.0.1.evil.example",
                "http://127.0.0.1@evil.example",
                "http://127.0.0.1:80@evil.example/",
                "http://127.0.0.1:1/@evil.example",
                "http://evil.example\\@127.0.0.1/",
                "http://evil.example#127.0.0.1",
                "http://evil.example?127.0.0.1",
                "ftp://127.0.0.1",
                "http://0.0.0.0:8000",
                "http://10.0.0.1",
                "//127.0.0.1",
                "http://127.0.0.1 .evil.example",
            ] {
                assert_eq!(
                    check_local_variable(name, url),
                    Err(LocalVariableError::LeavesMachine),
                    "{name} {url}"
                );
            }
        }
        assert_eq!(check_local_variable("AWS_ENDPOINT_URLS", "https://example.com"), Ok(()));
    }
}
