//! Literals of which a text must hold at least one before a regex can match it: what one automaton looks for.

use regex_syntax::hir::{Hir, HirKind};

/// More alternatives than this are no help.
const MOST: usize = 250;

/// Literals without one of which the regex cannot match; none where there is no such list.
#[must_use]
pub fn required(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => None,
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Class(_) => exact(hir),
        HirKind::Repetition(repetition) if repetition.min > 0 => repeated(hir).or_else(|| required(&repetition.sub)),
        HirKind::Repetition(_) => None,
        HirKind::Capture(capture) => required(&capture.sub),
        HirKind::Alternation(all) => {
            let mut list = Vec::new();
            for one in all {
                list.extend(required(one)?);
                if list.len() > MOST {
                    return None;
                }
            }
            list.sort();
            list.dedup();
            Some(list)
        }
        HirKind::Concat(all) => concat(all),
    }
}

/// The best list that some run of neighbours gives.
fn concat(all: &[Hir]) -> Option<Vec<Vec<u8>>> {
    let mut best: Option<Vec<Vec<u8>>> = None;
    let mut run: Option<Vec<Vec<u8>>> = None;
    for one in all {
        // Of what is repeated, the first copies stand next to what comes before, the last ones next to what comes after.
        if let Some(copies) = repeated(one) {
            let before = run.take().and_then(|before| product(&before, &copies)).unwrap_or_else(|| copies.clone());
            keep(&mut best, &before);
            run = Some(copies);
            continue;
        }
        let exact = exact(one);
        run = match (run.take(), exact) {
            (Some(before), Some(after)) => {
                keep(&mut best, &before);
                Some(product(&before, &after).unwrap_or(after))
            }
            (None, after) => after,
            (Some(before), None) => {
                keep(&mut best, &before);
                None
            }
        };
        if run.is_none()
            && let Some(list) = required(one)
        {
            keep(&mut best, &list);
        }
    }
    if let Some(run) = run {
        keep(&mut best, &run);
    }
    best
}

/// The least copies of what is repeated, where that is a literal.
fn repeated(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    let HirKind::Repetition(repetition) = hir.kind() else { return None };
    let sub = exact(&repetition.sub).filter(|list| repetition.min > 0 && list.len() <= 3)?;
    // Several texts may follow each other in any order: one copy is all that is sure.
    let copies = if sub.len() == 1 { (repetition.min as usize).min(8) } else { 1 };
    Some(sub.into_iter().map(|text| text.repeat(copies)).collect())
}

/// All texts that it matches, where they are few.
fn exact(hir: &Hir) -> Option<Vec<Vec<u8>>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(vec![literal.0.to_vec()]),
        HirKind::Capture(capture) => exact(&capture.sub),
        HirKind::Class(class) => {
            let literal = class.literal();
            if let Some(literal) = literal {
                return Some(vec![literal]);
            }
            let regex_syntax::hir::Class::Bytes(class) = class else { return None };
            let count: usize = class.iter().map(|range| range.len()).sum();
            (count <= 6).then(|| class.iter().flat_map(|range| (range.start()..=range.end()).map(|byte| vec![byte])).collect())
        }
        HirKind::Alternation(all) => {
            let lists: Option<Vec<_>> = all.iter().map(exact).collect();
            lists.map(|lists| lists.concat()).filter(|list| list.len() <= MOST)
        }
        HirKind::Concat(all) => all.iter().try_fold(vec![Vec::new()], |list, one| product(&list, &exact(one)?)),
        _ => None,
    }
}

fn product(before: &[Vec<u8>], after: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    (before.len() * after.len() <= MOST)
        .then(|| before.iter().flat_map(|before| after.iter().map(move |after| [&before[..], after].concat())).collect())
}

/// Longer literals are rarer; of equally long ones the fewer.
fn keep(best: &mut Option<Vec<Vec<u8>>>, list: &[Vec<u8>]) {
    let worth = |list: &[Vec<u8>]| {
        let shortest = list.iter().map(Vec::len).min().unwrap_or(0);
        (shortest.min(5), usize::MAX - list.len())
    };
    if best.as_ref().is_none_or(|best| worth(list) > worth(best)) {
        *best = Some(list.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(regex: &str) -> Vec<String> {
        let hir = regex_syntax::ParserBuilder::new().utf8(false).unicode(false).build().parse(regex).expect("a regex");
        let mut list = required(&hir).unwrap_or_default();
        list.sort();
        list.into_iter().map(|literal| String::from_utf8_lossy(&literal).into_owned()).collect()
    }

    #[test]
    fn the_rarest_literals_that_must_be_there_are_chosen() {
        assert_eq!(of(r"union\s+(?:all\s+)?select"), ["union"]);
        assert_eq!(of(r"(?:sleep|benchmark)\s*\("), ["benchmark", "sleep"]);
        assert_eq!(of(r"\bor\b\s*1"), ["or"]);
        assert_eq!(of(r"[.][.][/]"), ["../"]);
        assert_eq!(of(r"x\.{2,}/y?"), ["x.."]);
        assert_eq!(of(r"(?:/\.{1,3}){3,}"), ["/."]);
        assert_eq!(of(r"a*|b"), [""; 0]);
        assert_eq!(of(r"<(?:script|svg)[ />]"), ["<script ", "<script/", "<script>", "<svg ", "<svg/", "<svg>"]);
    }
}
