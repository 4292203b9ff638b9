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
    println!("{out}: {} bytes", packed.len());
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
    let text = std::fs::read_to_string(file)?;
    let mut rows =
        text.lines().enumerate().map(|(number, line)| row(line).ok_or(format!("{file}:{}: no row of this form", number + 1)));
    let mut before = rows.next().transpose()?;
    for row in rows {
        let row = row?;
        if let Some((first, last, system, name)) = before.replace(row.clone()) {
            // Where two overlap, the one that begins later is the more exact one.
            add(builder, first, last.min(previous(row.0)), system, &name)?;
        }
    }
    if let Some((first, last, system, name)) = before {
        add(builder, first, last, system, &name)?;
    }
    Ok(())
}

/// Of what is finer than a /64, the table keeps what ends with it.
fn add(builder: &mut Builder, first: IpAddr, last: IpAddr, system: u32, name: &str) -> Result<(), String> {
    let (first, last) = match (first, last) {
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let [a, b] = [a.to_bits().saturating_add((1 << 64) - 1), b.to_bits().wrapping_add(1)].map(|edge| edge >> 64 << 64);
            (IpAddr::V6(a.into()), IpAddr::V6(b.wrapping_sub(1).into()))
        }
        ends => ends,
    };
    if first < last { builder.add(first, last, system, name) } else { Ok(()) }
}

/// First and last address, the number of the autonomous system, its organization.
fn row(line: &str) -> Option<(IpAddr, IpAddr, u32, String)> {
    let mut fields = line.splitn(4, ',');
    let mut next = || fields.next();
    let (first, last) = (next()?.parse().ok()?, next()?.parse().ok()?);
    let (system, name) = (next()?.parse().ok()?, unquoted(next()?).replace("\"\"", "\""));
    Some((first, last, system, shortened(&name).to_owned()))
}

fn unquoted(field: &str) -> &str {
    field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field)
}

fn previous(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits().saturating_sub(1)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits().saturating_sub(1)).into()),
    }
}

fn shortened(name: &str) -> &str {
    let end = (0..=NAME.min(name.len())).rev().find(|&end| name.is_char_boundary(end)).unwrap_or(0);
    name[..end].trim_end()
}
