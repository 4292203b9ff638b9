//! Unpacks the tables that come with Lapwing into the form in which they are looked up.

use std::path::Path;

#[path = "src/packed.rs"]
mod packed;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/packed.rs");
    for table in ["countries", "systems"] {
        let file = format!("data/{table}.table");
        println!("cargo::rerun-if-changed={file}");
        if let Err(error) = unpack(&file, table) {
            println!("cargo::error=cannot unpack {file}: {error}; make it anew with the example build_table");
        }
    }
}

fn unpack(file: &str, table: &str) -> Result<(), String> {
    let out = std::env::var_os("OUT_DIR").ok_or("there is no OUT_DIR")?;
    let packed = std::fs::read(file).map_err(|error| error.to_string())?;
    std::fs::write(Path::new(&out).join(format!("{table}.flat")), packed::flat(&packed)?).map_err(|error| error.to_string())
}
