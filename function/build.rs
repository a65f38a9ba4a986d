//! Links the unwinder into the program where it would be a library of its own, `libgcc_s.so.1`: that one library less to
//! find, map and relocate is a tenth of a start (bench/COLDSTART.md). musl's is static by itself.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let runtime = variable("CARGO_FEATURE_RUNTIME").is_some();
    let is = |name: &str, value: &str| variable(name).as_deref() == Some(value);
    if runtime && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        // There is no shared library of that name, so the linker takes the archive that comes with the C compiler.
        println!("cargo::rustc-link-lib=gcc_eh");
    }
}

#[expect(clippy::disallowed_methods, reason = "a build script is told its target by the environment only")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
