//! What the expectations call a field, and how they write its value.

use lapwing_flow::{FieldSpec, Record};
use serde_json::{Value, json};

/// How a value is written.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Number,
    Float,
    Address,
    Mac,
    Text,
    Hex,
    /// Cisco ASA: three words.
    Acl,
    Application,
    Forwarding,
    Mpls,
    /// Milliseconds of uptime, as a date.
    Uptime,
    Seconds,
    Millis,
    Ntp,
}
use Kind::{Acl, Address, Application, Float, Forwarding, Hex, Mac, Millis, Mpls, Ntp, Number, Seconds, Text, Uptime};

type Name = (u16, &'static str, Kind);

const NETFLOW: &[Name] = &[
    (1, "in_bytes", Number),
    (2, "in_pkts", Number),
    (3, "flows", Number),
    (4, "protocol", Number),
    (5, "src_tos", Number),
    (6, "tcp_flags", Number),
    (7, "l4_src_port", Number),
    (8, "ipv4_src_addr", Address),
    (9, "src_mask", Number),
    (10, "input_snmp", Number),
    (11, "l4_dst_port", Number),
    (12, "ipv4_dst_addr", Address),
    (13, "dst_mask", Number),
    (14, "output_snmp", Number),
    (15, "ipv4_next_hop", Address),
    (16, "src_as", Number),
    (17, "dst_as", Number),
    (18, "bgp_ipv4_next_hop", Address),
    (21, "last_switched", Uptime),
    (22, "first_switched", Uptime),
    (23, "out_bytes", Number),
    (24, "out_pkts", Number),
    (32, "icmp_type", Number),
    (34, "sampling_interval", Number),
    (35, "sampling_algorithm", Number),
    (36, "flow_active_timeout", Number),
    (37, "flow_inactive_timeout", Number),
    (39, "engine_id", Number),
    (40, "total_bytes_exp", Number),
    (41, "total_pkts_exp", Number),
    (42, "total_flows_exp", Number),
    (44, "ipv4_src_prefix", Address),
    (48, "flow_sampler_id", Number),
    (54, "ipv4_ident", Number),
    (56, "in_src_mac", Mac),
    (57, "out_dst_mac", Mac),
    (58, "src_vlan", Number),
    (59, "dst_vlan", Number),
    (60, "ip_protocol_version", Number),
    (61, "direction", Number),
    (80, "in_dst_mac", Mac),
    (81, "out_src_mac", Mac),
    (83, "if_desc", Text),
    (85, "in_permanent_bytes", Number),
    (89, "forwarding_status", Forwarding),
    (92, "src_traffic_index", Number),
    (93, "dst_traffic_index", Number),
    (94, "application_description", Text),
    (95, "application_id", Application),
    (96, "application_name", Text),
    (98, "postIpDiffServCodePoint", Number),
    (136, "flow_end_reason", Number),
    (147, "wlanSSID", Text),
    (148, "conn_id", Number),
    (150, "flowStartSeconds", Number),
    (151, "flowEndSeconds", Number),
    (152, "flow_start_msec", Number),
    (176, "icmp_type", Number),
    (177, "icmp_code", Number),
    (181, "udp_dst_port", Number),
    (182, "tcp_src_port", Number),
    (195, "ip_dscp", Number),
    (201, "mpls_label_stack_octets", Mpls),
    (209, "tcpOptions", Number),
    (225, "xlate_src_addr_ipv4", Address),
    (226, "xlate_dst_addr_ipv4", Address),
    (227, "xlate_src_port", Number),
    (228, "xlate_dst_port", Number),
    (231, "fwd_flow_delta_bytes", Number),
    (232, "rev_flow_delta_bytes", Number),
    (233, "fw_event", Number),
    (234, "ingressVRFID", Number),
    (235, "egressVRFID", Number),
    (236, "VRFname", Text),
    (252, "ingressPhysicalInterface", Number),
    (253, "egressPhysicalInterface", Number),
    (256, "ethernetType", Number),
    (323, "event_time_msec", Number),
    (346, "privateEnterpriseNumber", Number),
    (351, "layer2SegmentId", Number),
    (365, "staMacAddress", Mac),
    (366, "staIPv4Address", Address),
    (367, "wtpMacAddress", Mac),
    (8_192, "streamcore_wan_rtt", Number),
    (8_193, "streamcore_net_app_resp_time", Number),
    (8_194, "streamcore_total_app_resp_time", Number),
    (8_195, "streamcore_tcp_retrans_rate", Number),
    (8_196, "streamcore_call_direction", Number),
    (8_256, "streamcore_hostname", Text),
    (8_257, "streamcore_url", Text),
    (8_384, "streamcore_id_rule_1", Number),
    (8_385, "streamcore_id_rule_2", Number),
    (8_386, "streamcore_id_rule_3", Number),
    (8_387, "streamcore_id_rule_4", Number),
    (8_388, "streamcore_id_rule_5", Number),
    (8_389, "streamcore_id_rule_6", Number),
    (8_390, "streamcore_id_rule_7", Number),
    (8_391, "streamcore_id_rule_8", Number),
    (8_392, "streamcore_id_rule_9", Number),
    (8_393, "streamcore_id_rule_10", Number),
    (33_000, "ingress_acl_id", Acl),
    (33_001, "egress_acl_id", Acl),
    (33_002, "fw_ext_event", Number),
    (40_000, "username", Text),
    (40_001, "xlate_src_addr_ipv4", Address),
    (40_002, "xlate_dst_addr_ipv4", Address),
    (40_003, "xlate_src_port", Number),
    (40_004, "xlate_dst_port", Number),
    (40_005, "fw_event", Number),
    (56_701, "app_id", Text),
    (56_702, "user_id", Text),
    (57_590, "nprobe_proto", Number),
    (57_591, "nprobe_proto_name", Text),
];

const IPFIX: &[Name] = &[
    (1, "octetDeltaCount", Number),
    (2, "packetDeltaCount", Number),
    (4, "protocolIdentifier", Number),
    (5, "ipClassOfService", Number),
    (6, "tcpControlBits", Number),
    (7, "sourceTransportPort", Number),
    (8, "sourceIPv4Address", Address),
    (10, "ingressInterface", Number),
    (11, "destinationTransportPort", Number),
    (12, "destinationIPv4Address", Address),
    (14, "egressInterface", Number),
    (15, "ipNextHopIPv4Address", Address),
    (16, "bgpSourceAsNumber", Number),
    (17, "bgpDestinationAsNumber", Number),
    (21, "flowEndSysUpTime", Number),
    (22, "flowStartSysUpTime", Number),
    (25, "minimumIpTotalLength", Number),
    (26, "maximumIpTotalLength", Number),
    (27, "sourceIPv6Address", Address),
    (28, "destinationIPv6Address", Address),
    (32, "icmpTypeCodeIPv4", Number),
    (34, "samplingInterval", Number),
    (36, "flowActiveTimeout", Number),
    (37, "flowIdleTimeout", Number),
    (41, "exportedMessageTotalCount", Number),
    (42, "exportedFlowRecordTotalCount", Number),
    (53, "maximumTTL", Number),
    (56, "sourceMacAddress", Mac),
    (58, "vlanId", Number),
    (60, "ipVersion", Number),
    (61, "flowDirection", Number),
    (62, "ipNextHopIPv6Address", Address),
    (85, "octetTotalCount", Number),
    (86, "packetTotalCount", Number),
    (130, "exporterIPv4Address", Address),
    (131, "exporterIPv6Address", Address),
    (135, "droppedPacketTotalCount", Number),
    (136, "flowEndReason", Number),
    (138, "observationPointId", Number),
    (143, "meteringProcessId", Number),
    (144, "exportingProcessId", Number),
    (148, "flowId", Number),
    (150, "flowStartSeconds", Seconds),
    (151, "flowEndSeconds", Seconds),
    (152, "flowStartMilliseconds", Millis),
    (153, "flowEndMilliseconds", Millis),
    (154, "flowStartMicroseconds", Ntp),
    (155, "flowEndMicroseconds", Ntp),
    (160, "systemInitTimeMilliseconds", Number),
    (161, "flowDurationMilliseconds", Number),
    (164, "ignoredPacketTotalCount", Number),
    (167, "notSentPacketTotalCount", Number),
    (184, "tcpSequenceNumber", Number),
    (195, "ipDiffServCodePoint", Number),
    (196, "ipPrecedence", Number),
    (214, "exportProtocolVersion", Number),
    (215, "exportTransportProtocol", Number),
    (225, "postNATSourceIPv4Address", Address),
    (226, "postNATDestinationIPv4Address", Address),
    (233, "firewallEvent", Number),
    (304, "selectorAlgorithm", Number),
    (305, "samplingPacketInterval", Number),
    (306, "samplingPacketSpace", Number),
    (351, "layer2SegmentId", Number),
];

const NOKIA: &[Name] = &[(91, "natInsideSvcid", Number), (92, "natOutsideSvcid", Number), (93, "natSubString", Text)];

const IXIA: &[Name] = &[
    (110, "ixiaL7AppId", Number),
    (111, "ixiaL7AppName", Text),
    (126, "ixiaSrcLatitude", Float),
    (127, "ixiaSrcLongitude", Float),
    (146, "ixiaDstLatitude", Float),
    (147, "ixiaDstLongitude", Float),
    (160, "ixiaDeviceId", Number),
    (161, "ixiaDeviceName", Text),
    (162, "ixiaBrowserId", Number),
    (163, "ixiaBrowserName", Text),
    (176, "ixiaRevOctetDeltaCount", Number),
    (177, "ixiaRevPacketDeltaCount", Number),
    (182, "ixiaHttpHostName", Text),
    (183, "ixiaHttpUri", Text),
    (184, "ixiaHttpUserAgent", Text),
    (186, "ixiaSrcAsName", Text),
    (187, "ixiaDstAsName", Text),
    (188, "ixiaLatency", Number),
    (192, "ixiaThreatType", Text),
    (193, "ixiaThreatIPv4", Address),
];

const NETSCALER: &[Name] = &[
    (128, "netscalerRoundTripTime", Number),
    (129, "netscalerTransactionId", Number),
    (130, "netscalerHttpReqUrl", Text),
    (131, "netscalerHttpReqCookie", Text),
    (132, "netscalerFlowFlags", Number),
    (133, "netscalerConnectionId", Number),
    (140, "netscalerHttpReqReferer", Text),
    (141, "netscalerHttpReqMethod", Text),
    (142, "netscalerHttpReqHost", Text),
    (143, "netscalerHttpReqUserAgent", Text),
    (151, "netscalerAppNameAppId", Number),
    (158, "netscalerHttpResForwFB", Number),
    (170, "netscalerHttpResForwLB", Number),
    (171, "netscalerAppUnitNameAppId", Number),
    (183, "netscalerHttpContentType", Text),
    (185, "netscalerHttpReqAuthorization", Text),
    (186, "netscalerHttpReqVia", Text),
    (190, "netscalerHttpReqXForwardedFor", Text),
    (192, "netscalerConnectionChainID", Hex),
    (193, "netscalerConnectionChainHopCount", Number),
    (205, "netscalerAaaUsername", Text),
    (267, "netscalerHttpDomainName", Text),
    (330, "netscalerUnknown330", Number),
];

const CERT: &[Name] = &[
    (14, "initialTCPFlags", Number),
    (15, "unionTCPFlags", Number),
    (21, "reverseFlowDeltaMilliseconds", Number),
    (33, "silkAppLabel", Number),
    (40, "flowAttributes", Number),
    (100, "expiredFragmentCount", Number),
    (101, "assembledFragmentCount", Number),
    (102, "meanFlowRate", Number),
    (103, "meanPacketRate", Number),
    (104, "flowTableFlushEventCount", Number),
    (105, "flowTablePeakCount", Number),
    (16_398, "reverseInitialTCPFlags", Number),
    (16_399, "reverseUnionTCPFlags", Number),
    (16_424, "reverseFlowAttributes", Number),
];

const VMWARE: &[Name] = &[
    (888, "vmwareEgressInterfaceAttr", Number),
    (889, "vmwareVxlanExportRole", Number),
    (890, "vmwareIngressInterfaceAttr", Number),
];

const BARRACUDA: &[Name] = &[
    (1, "Timestamp", Number),
    (2, "LogOp", Number),
    (3, "TrafficType", Number),
    (4, "FW_Rule", Text),
    (5, "ServiceName", Text),
    (6, "Reason", Number),
    (7, "ReasonText", Text),
    (8, "BindIPv4Address", Address),
    (9, "BindTransportPort", Number),
    (10, "ConnIPv4Address", Address),
    (11, "ConnTransportPort", Number),
    (12, "AuditCounter", Number),
];

const PROCERA: &[Name] = &[
    (1, "proceraService", Text),
    (2, "proceraBaseService", Text),
    (3, "proceraIncomingOctets", Number),
    (4, "proceraOutgoingOctets", Number),
    (15, "proceraFlowBehavior", Text),
    (16, "proceraHttpUrl", Text),
    (21, "proceraHttpContentType", Text),
    (22, "proceraContentCategories", Text),
    (25, "proceraHttpFileLength", Number),
    (26, "proceraHttpLocation", Text),
    (28, "proceraSubscriberIdentifier", Text),
    (47, "proceraTemplateName", Text),
];

const VIPTELA: &[Name] = &[(4_321, "viptelaVPNId", Number)];

fn table(version: u16, enterprise: u32) -> &'static [Name] {
    match (version, enterprise) {
        (10, 0 | 29_305) => IPFIX,
        (_, 0) => NETFLOW,
        (_, 637) => NOKIA,
        (_, 3_054) => IXIA,
        (_, 5_951) => NETSCALER,
        (_, 6_871) => CERT,
        (_, 6_876) => VMWARE,
        (_, 10_704) => BARRACUDA,
        (_, 15_397) => PROCERA,
        (_, 41_916) => VIPTELA,
        _ => &[],
    }
}

/// Name and value of a field, if it has a name.
pub fn named(record: &Record, field: &FieldSpec, value: &[u8]) -> Option<(String, Value)> {
    if record.version == 9 && field.scope {
        let name = ["", "system", "interface", "line_card", "cache", "template"].get(usize::from(field.id))?;
        return Some((format!("scope_{name}"), json!(number(value))));
    }
    let (_, name, kind) = table(record.version, field.enterprise).iter().find(|(id, ..)| *id == field.id)?;
    let name = if field.enterprise == 29_305 {
        format!("reverse{}{}", name[..1].to_uppercase(), &name[1..])
    } else {
        (*name).to_owned()
    };
    Some((name, written(*kind, record, value)))
}

fn number(value: &[u8]) -> u64 {
    value.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn hex(value: &[u8]) -> String {
    value.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Text up to the padding; of octets that are no UTF-8, a character each.
fn text(value: &[u8]) -> String {
    let end = value.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let value = &value[..end];
    String::from_utf8(value.to_vec()).unwrap_or_else(|_| value.iter().map(|&byte| char::from(byte)).collect())
}

fn written(kind: Kind, record: &Record, value: &[u8]) -> Value {
    let n = number(&value[value.len().saturating_sub(8)..]);
    match kind {
        Number => json!(n),
        Float => json!(f64::from(f32::from_be_bytes(value.try_into().expect("four octets")))),
        Address => json!(match value.len() {
            4 => std::net::Ipv4Addr::from(n as u32).to_string(),
            _ => std::net::Ipv6Addr::from(<[u8; 16]>::try_from(value).expect("sixteen octets")).to_string(),
        }),
        Mac => json!(value.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")),
        Text => json!(text(value)),
        Hex => json!(hex(value)),
        Acl => json!(value.chunks(4).map(hex).collect::<Vec<_>>().join("-")),
        Application => match value {
            [20, enterprise @ .., a, b, c, d] => {
                json!(format!("20..{}..{}", number(enterprise), number(&[*a, *b, *c, *d])))
            }
            [class, selector @ ..] => json!(format!("{class}..{}", number(selector))),
            [] => Value::Null,
        },
        Forwarding => json!({ "status": n >> 6, "reason": n & 63 }),
        Mpls => json!({ "label": n >> 12, "experimental": n >> 9 & 7, "bottom_of_stack": n >> 8 & 1, "ttl": n & 255 }),
        Uptime => json!(date(switched(record, n))),
        Seconds => json!(date(n as i64 * 1_000)),
        Millis => json!(date(n as i64)),
        Ntp => json!(date(((n >> 32) as i64 - 2_208_988_800) * 1_000 + (((n & 0xffff_ffff) * 1_000) >> 32) as i64)),
    }
}

/// The time of an uptime in milliseconds since 1970, as the other collector has it. It takes whole seconds and the rest apart and does
/// not borrow where the rest is negative, which for v9, whose header has no fraction, it always takes it to be: its times are then one
/// second late. Ours are not; what is compared here is that the fields hold the same.
fn switched(record: &Record, uptime: u64) -> i64 {
    let (exported, before) = (record.exported.div_euclid(1_000_000), i64::from(record.uptime) - uptime as i64);
    let late = record.version == 9 || exported.rem_euclid(1_000) < before.rem_euclid(1_000);
    exported - before + if late { 1_000 } else { 0 }
}

/// Milliseconds since 1970 as a date of the proleptic Gregorian calendar.
pub fn date(millis: i64) -> String {
    let (days, in_day) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let (mut year, mut left) = (1970, days);
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    while left >= 365 + i64::from(leap(year)) {
        left -= 365 + i64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= lengths[month] {
        left -= lengths[month];
        month += 1;
    }
    let (seconds, millis) = (in_day / 1_000, in_day % 1_000);
    format!(
        "{year:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{millis:03}Z",
        month + 1,
        left + 1,
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}
