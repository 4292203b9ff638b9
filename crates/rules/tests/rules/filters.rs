//! Documents that narrow other rules.

use super::{Event, compiled, errors, found};

const RULES: &str = "title: a\nname: a\nlogsource: {category: webserver, product: nginx}\ndetection:\n  selection: {url|contains: admin}\n  \
                     condition: selection\n---\ntitle: b\nid: 5f-b\nlogsource: {category: proxy}\ndetection:\n  \
                     selection: {url|contains: admin}\n  condition: selection\n---\n";

fn filter(head: &str, condition: &str) -> String {
    format!("{RULES}title: f\n{head}\n  selection: {{ip|cidr: 10.0.0.0/8}}\n  condition: {condition}\n")
}

fn told(yaml: &str, ip: &str) -> Vec<String> {
    let set = compiled(yaml);
    let event = Event::default().with("url", "/admin").with("ip", ip);
    found(&set, &event).iter().map(|rule| set.rules()[*rule].title.clone()).collect()
}

#[test]
fn a_filter_leaves_out_what_it_names_by_name_or_id_and_nothing_else() {
    for condition in ["not selection", "selection"] {
        let yaml = filter("filter:\n  rules: [a]", condition);
        assert_eq!(told(&yaml, "10.1.1.1"), ["b"], "{condition}");
        assert_eq!(told(&yaml, "192.0.2.1"), ["a", "b"], "{condition}");
        assert_eq!(told(&filter("filter:\n  rules: [a, 5f-b]", condition), "10.1.1.1"), Vec::<String>::new());
    }
}

#[test]
fn a_filter_of_any_rule_is_held_to_its_log_source() {
    for head in ["logsource: {category: webserver}\nfilter:\n  rules: any", "logsource: {product: nginx}\nfilter:"] {
        assert_eq!(told(&filter(head, "not selection"), "10.1.1.1"), ["b"], "{head}");
    }
    assert_eq!(told(&filter("filter:", "not selection"), "10.1.1.1"), Vec::<String>::new());
}

#[test]
fn a_filter_that_names_no_rule_is_told_with_the_one_meant_and_the_others_work() {
    let yaml = filter("filter:\n  rules: [5f-bb, a]", "not selection");
    assert_eq!(errors(&yaml), ["x.yml:17:11: unknown rule '5f-bb'; did you mean '5f-b'?"]);
}
