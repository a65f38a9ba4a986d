//! Headless Chromium, controlled through chromedriver with the few calls of the W3C `WebDriver` protocol that the tests
//! need. Nothing here depends on the tested pages. No library fits: `fantoccini` depends on `webdriver`, whose licence
//! is MPL-2.0, which `deny.toml` does not allow, and `thirtyfour` needs a second HTTP client.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};

use crate::support::{TestConnection, env_var};

/// The width and height of the viewport in CSS pixels, at one device pixel each.
pub(crate) const VIEWPORT: (u32, u32) = (1200, 720);

/// The timeout of scripts and page loads. It is shorter than the read timeout of a connection.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The switches of Chromium: headless, without background traffic, and without a sandbox, which root and many
/// containers cannot use. It opens only the tests' own pages.
const SWITCHES: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-prefers-reduced-motion",
    "--lang=en-US",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    // The user agent of a normal browser: a headless one identifies itself as a bot, which is never counted.
    "--user-agent=Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
];

/// A `WebDriver` session with its own browser. Dropping it closes the browser.
pub(crate) struct Browser {
    driver: Child,
    url: String,
    session: String,
}

impl Browser {
    /// Starts a browser with its profile below `home`. Without Chromium on this machine it panics on CI, and elsewhere
    /// prints a notice and returns `None`.
    pub(crate) fn open(home: &Path) -> Option<Self> {
        let (chromium, chromedriver) = match installed() {
            Ok(found) => found,
            Err(missing) if on_ci() => panic!("{missing}: install it (Debian: chromium, chromium-driver)"),
            Err(missing) => {
                // Writes to stderr directly, because the test harness hides the captured output of passing tests.
                let notice = format!(
                    "\nNOT RUN: {missing}, so this test did not open a browser (Debian: chromium-driver)\n"
                );
                std::io::stderr().write_all(notice.as_bytes()).ok();
                return None;
            }
        };
        let (driver, url) = start(&chromedriver, home);
        let mut browser = Self { driver, url, session: String::new() };
        let profile = format!("--user-data-dir={}", home.join("profile").display());
        let switches: Vec<&str> = SWITCHES.iter().copied().chain([profile.as_str()]).collect();
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"binary": chromium, "args": switches},
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": TIMEOUT.as_millis(), "pageLoad": TIMEOUT.as_millis()},
        }}});
        let session = browser.call("POST", "/session", &capabilities);
        browser.session = format!("/session/{}", session["sessionId"].as_str().expect("a session id"));
        let view =
            json!({"width": VIEWPORT.0, "height": VIEWPORT.1, "deviceScaleFactor": 1, "mobile": false});
        browser.devtools("Emulation.setDeviceMetricsOverride", &view);
        Some(browser)
    }

    /// Opens a page and waits until it is loaded.
    pub(crate) fn goto(&self, url: &str) {
        self.command("POST", "/url", &json!({"url": url}));
    }

    /// Reloads the page.
    pub(crate) fn reload(&self) {
        self.command("POST", "/refresh", &json!({}));
    }

    /// Evaluates an expression in the page every 10 ms until it is truthy. Returns its value.
    pub(crate) fn wait_for(&self, expression: &str) -> Json {
        let script = format!(
            "const done = arguments[0]; \
             const look = () => {{ const seen = {expression}; seen ? done(seen) : setTimeout(look, 10) }}; look();"
        );
        self.command("POST", "/execute/async", &json!({"script": script, "args": []}))
    }

    /// Evaluates an expression in the page.
    pub(crate) fn eval(&self, expression: &str) -> Json {
        let script = format!("return {expression}");
        self.command("POST", "/execute/sync", &json!({"script": script, "args": []}))
    }

    /// Goes back in the history.
    pub(crate) fn back(&self) {
        self.command("POST", "/back", &json!({}));
    }

    /// Switches to another tab by its handle, which brings it to the front.
    pub(crate) fn switch_to(&self, tab: &str) {
        self.command("POST", "/window", &json!({"handle": tab}));
    }

    /// Returns the console messages of the pages and the browser since the last call.
    pub(crate) fn console(&self) -> Vec<String> {
        let lines = self.command("POST", "/se/log", &json!({"type": "browser"}));
        let lines = lines.as_array().expect("a list of lines").iter();
        lines.map(|line| line["message"].as_str().expect("a message").to_owned()).collect()
    }

    /// Calls a command of the `DevTools` protocol.
    pub(crate) fn devtools(&self, command: &str, params: &Json) -> Json {
        self.command("POST", "/goog/cdp/execute", &json!({"cmd": command, "params": params}))
    }

    /// Takes a screenshot of the viewport as PNG.
    pub(crate) fn screenshot(&self) -> Vec<u8> {
        let picture = self.command("GET", "/screenshot", &Json::Null);
        STANDARD.decode(picture.as_str().expect("a picture")).expect("base64")
    }

    fn command(&self, method: &str, path: &str, body: &Json) -> Json {
        self.call(method, &format!("{}{path}", self.session), body)
    }

    /// Sends one request on a new connection. Panics with the driver's message if it fails.
    fn call(&self, method: &str, target: &str, body: &Json) -> Json {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = TestConnection::connect(&self.url)
            .and_then(|mut http| http.send(method, target, "", body.as_bytes()))
            .unwrap_or_else(|error| panic!("{method} {target}: {error}"));
        let mut result = response.json();
        assert_eq!(
            response.status, 200,
            "{method} {target} {body}: {} {}",
            result["value"]["error"], result["value"]["message"]
        );
        result["value"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            // Asks the browser to quit. Killing the process group ends any remaining processes.
            TestConnection::connect(&self.url)
                .and_then(|mut http| http.send("DELETE", &self.session, "", b""))
                .ok();
        }
        if let Some(group) = i32::try_from(self.driver.id()).ok().and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
        }
        self.driver.wait().ok();
    }
}

/// Starts chromedriver on a free port. Returns the process and its URL.
fn start(program: &Path, home: &Path) -> (Child, String) {
    let mut driver = Command::new(program)
        .args(["--port=0", "--allowed-ips=127.0.0.1"])
        .env("HOME", home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let (port_sender, port) = mpsc::channel();
    std::thread::spawn(move || {
        // Reads to the end, so that the driver never blocks on a full pipe.
        for line in lines.map_while(Result::ok) {
            let port = line
                .rsplit_once(" successfully on port ")
                .map(|(_, port)| port.trim_end_matches('.').to_owned());
            port.map(|port| port_sender.send(port));
        }
    });
    let port = port.recv_timeout(TIMEOUT).expect("chromedriver prints its port");
    (driver, format!("http://127.0.0.1:{port}"))
}

/// Returns the paths of Chromium and its driver, or an error that names the missing one.
fn installed() -> Result<(PathBuf, PathBuf), String> {
    let path = env_var("PATH").unwrap_or_default();
    let find = |names: &[&str]| {
        let dirs = || std::env::split_paths(&path);
        let found =
            names.iter().find_map(|name| dirs().map(|dir| dir.join(name)).find(|file| file.is_file()));
        found.ok_or_else(|| format!("there is no `{}` on this machine", names[0]))
    };
    Ok((find(&["chromium", "chromium-browser", "google-chrome"])?, find(&["chromedriver"])?))
}

fn on_ci() -> bool {
    env_var("CI").is_some_and(|value| !matches!(value.as_str(), "" | "false" | "0"))
}
