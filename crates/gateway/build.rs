//! A console that was built, or built anew, is embedded by the next build: its files have other names then.

fn main() {
    println!("cargo:rerun-if-changed=page");
}
