//! Makes a table of what comes with Lapwing out of lists that anyone can get:
//!
//! ```text
//! build_table OUT COUNTRIES.mmdb                      MMDB with the key country_code
//! build_table OUT SYSTEMS-IPV4.csv SYSTEMS-IPV6.csv   rows: first, last, number of the autonomous system, its organization
//! ```

use std::net::IpAddr;

use lapwing_enrich::Builder;
use maxminddb::{PathElement, Reader, WithinOptions};

/// Of an organization's name as much is kept as people need to recognise it, in bytes.
const NAME: usize = 40;

type Failed = Box<dyn std::error::Error>;

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, files @ ..] = arguments.as_slice() else { return Err("usage: build_table OUT FILE...".into()) };
    let mut builder = Builder::default();
    for file in files {
        if file.ends_with(".mmdb") { countries(file, &mut builder)? } else { systems(file, &mut builder)? }
    }
    let packed = builder.pack()?;
    std::fs::write(out, &packed)?;
    let table = lapwing_enrich::Table::<u32>::read(&packed)?;
    println!("{out}: {} bytes, {} runs of addresses, {} bytes of memory", packed.len(), table.len(), table.bytes());
    Ok(())
}

fn countries(file: &str, builder: &mut Builder) -> Result<(), Failed> {
    let reader = Reader::open_readfile(file)?;
    for found in reader.networks(WithinOptions::default())? {
        let found = found?;
        let network = found.network()?;
        if let Some(country) = found.decode_path::<String>(&[PathElement::Key("country_code")])? {
            builder.add(network.network(), network.broadcast(), 0, &country)?;
        }
    }
    Ok(())
}

fn systems(file: &str, builder: &mut Builder) -> Result<(), Failed> {
    for (number, line) in std::fs::read_to_string(file)?.lines().enumerate() {
        let row: Vec<&str> = line.splitn(4, ',').collect();
        let [first, last, system, name] = row.as_slice() else {
            return Err(format!("{file}:{}: not four fields", number + 1).into());
        };
        let (first, last): (IpAddr, IpAddr) = (first.parse()?, last.parse()?);
        builder.add(first, last, system.parse()?, shortened(&name.trim_matches('"').replace("\"\"", "\"")))?;
    }
    Ok(())
}

fn shortened(name: &str) -> &str {
    let end = (0..=NAME.min(name.len())).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
    name[..end].trim_end()
}
