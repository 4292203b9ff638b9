//! What people call the fields of structured records.

use lapwing_model::hash;

/// What a field of a structured record means to Lapwing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Time,
    Level,
    /// OpenTelemetry's `SeverityNumber`, 1 to 24.
    SeverityNumber,
    Message,
    /// `body`: a message, or the body of a request.
    Body,
    Logger,
    Service,
    /// A weak name for a service: `source`, bunyan's `name`.
    Source,
    Host,
    User,
    Session,
    /// Ties the lines of one request together: a session for log lines, none for requests themselves.
    Trace,
    Client,
    Method,
    Target,
    Path,
    Query,
    /// The whole request line.
    Request,
    Protocol,
    Status,
    Bytes,
    Referrer,
    UserAgent,
    Domain,
    RequestBody,
    /// A duration whose unit is not part of its name.
    Took,
    Seconds,
    Millis,
    Micros,
    Nanos,
    /// The line that a container wrote.
    Container,
    Stream,
}

pub(crate) const SLOTS: usize = Slot::Stream as usize + 1;

/// Names by slot, with a space between them; the first is the one to keep a value under that cannot be read as what its slot means.
const NAMES: &[(Slot, &str)] = &[
    (
        Slot::Time,
        "timestamp time @timestamp ts TimeUnixNano timeUnixNano Timestamp datetime date eventTime event_time \
            time_local time_iso8601 t @t asctime start_time StartUTC msec time_unix_nano event.created \
            observedTimeUnixNano created_at logged_at",
    ),
    (
        Slot::Level,
        "level severity log.level SeverityText severityText severity_text lvl levelname loglevel log_level \
            Level LogLevel logLevel @l log.severity Severity priority PRIORITY",
    ),
    (Slot::SeverityNumber, "SeverityNumber severityNumber severity_number"),
    (
        Slot::Message,
        "message msg Body textPayload short_message event.message log_message Message text @m MESSAGE \
            log_line @message body.string_value",
    ),
    (Slot::Body, "body"),
    (
        Slot::Logger,
        "logger log.logger logger_name loggerName target process.name module component caller scope.name \
            InstrumentationScope.Name InstrumentationScope.name SourceContext",
    ),
    (
        Slot::Service,
        "service service.name service_name serviceName app application appname app_name program \
            serviceContext.service kubernetes.container_name container_name",
    ),
    (Slot::Source, "source name"),
    (Slot::Host, "host host.name hostname Hostname host_name syslog_hostname agent.hostname _HOSTNAME node devname"),
    (
        Slot::User,
        "user user.name username user_name userName remote_user enduser.id user.id user_id userId uid account \
            cs-username request.user_id ClientUsername",
    ),
    (Slot::Session, "session_id session.id session sessionId sid"),
    (Slot::Trace, "trace_id trace.id traceId TraceId traceID"),
    (
        Slot::Client,
        "client.address source.ip client.ip source.address remote_addr client_ip clientIp clientip client ip \
            ip_address remote_ip remoteIp remoteAddress remote_address src_ip source_ip sourceIp \
            httpRequest.remoteIp req.remoteAddress req.ip request.remote_ip request.client_ip ClientHost \
            net.peer.ip net.sock.peer.addr http.client_ip downstream_remote_address c-ip addr peer remote \
            remote_host clientAddress client_address network.peer.address fwd id.orig_h srcip srcaddr",
    ),
    (
        Slot::Method,
        "http.request.method method request_method http.method http_method httpRequest.requestMethod \
            req.method request.method RequestMethod http.http_method verb cs-method requestMethod",
    ),
    (
        Slot::Target,
        "url.original url uri request_uri url.full http.url httpRequest.requestUrl req.url request.uri \
            request.url requestUrl http_url cs-uri requestUri url_original",
    ),
    (
        Slot::Path,
        "path url.path http.target request_path RequestPath http.route request.path cs-uri-stem endpoint \
            http_path url_path",
    ),
    (Slot::Query, "query url.query query_string args cs-uri-query request.query url_query"),
    (Slot::Request, "request http.request.line request_line"),
    (Slot::Protocol, "protocol server_protocol http.version http.flavor httpRequest.protocol request.proto RequestProtocol"),
    (
        Slot::Status,
        "http.response.status_code status status_code statusCode http.status_code http_status \
            http_status_code httpRequest.status res.statusCode response.status response.status_code \
            response_code DownstreamStatus sc-status response_status httpStatus http.status",
    ),
    (
        Slot::Bytes,
        "http.response.body.size http.response.body.bytes http.response.bytes body_bytes_sent bytes_sent \
            bytes size httpRequest.responseSize response_size DownstreamContentSize sc-bytes content_length \
            res.contentLength response.bytes http.length",
    ),
    (
        Slot::Referrer,
        "http.request.header.referer http.request.referrer http_referer referer referrer httpRequest.referer \
            req.headers.referer http.http_refer request.headers.Referer cs-referer request_Referer http_referrer",
    ),
    (
        Slot::UserAgent,
        "user_agent.original http_user_agent user_agent userAgent useragent agent httpRequest.userAgent \
            req.headers.user-agent request.headers.User-Agent http.user_agent http.request.header.user-agent \
            http.http_user_agent request_User-Agent cs-user-agent user-agent ua",
    ),
    (
        Slot::Domain,
        "server.address url.domain destination.domain http_host vhost server_name http.host request.host \
            req.headers.host http.hostname authority RequestHost cs-host virtual_host domain",
    ),
    (Slot::RequestBody, "http.request.body.content request_body http.request.body requestBody req.body post_data"),
    (
        Slot::Took,
        "duration latency elapsed took httpRequest.latency response_time elapsed_time runtime time_taken \
            time-taken",
    ),
    (
        Slot::Seconds,
        "request_time duration_s duration_seconds upstream_response_time latency_seconds elapsed_seconds \
            response_time_s",
    ),
    (
        Slot::Millis,
        "duration_ms responseTime response_time_ms elapsed_ms latency_ms took_ms durationMs elapsedMs \
            latencyMs request_time_ms responseTimeMs time_ms",
    ),
    (Slot::Micros, "duration_us elapsed_us latency_us response_time_us request_time_us"),
    (Slot::Nanos, "event.duration duration_ns elapsed_ns latency_ns Duration"),
    (Slot::Container, "log"),
    (Slot::Stream, "stream"),
];

/// The name to keep a value of the slot at `index` under.
pub(crate) fn name_at(index: usize) -> &'static str {
    NAMES[index].1.split(' ').next().unwrap_or_default()
}

/// Finds the slot of a name in one hash and one comparison.
#[derive(Debug)]
pub(crate) struct Names {
    table: Vec<Option<(&'static str, Slot)>>,
}

/// About four times the number of names, so that few share a place.
const PLACES: usize = 1024;

impl Default for Names {
    fn default() -> Self {
        let mut table = vec![None; PLACES];
        for (slot, name) in NAMES.iter().flat_map(|(slot, names)| names.split(' ').map(move |name| (*slot, name))) {
            let mut at = place(name.as_bytes());
            while table[at].is_some() {
                at = (at + 1) % PLACES;
            }
            table[at] = Some((name, slot));
        }
        Names { table }
    }
}

impl Names {
    pub(crate) fn slot(&self, name: &[u8]) -> Option<Slot> {
        let mut at = place(name);
        while let Some((known, slot)) = self.table[at] {
            if known.as_bytes() == name {
                return Some(slot);
            }
            at = (at + 1) % PLACES;
        }
        None
    }
}

fn place(name: &[u8]) -> usize {
    hash(name) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_for_two_things() {
        let mut names: Vec<_> = NAMES.iter().flat_map(|(_, names)| names.split(' ')).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(all * 2 < PLACES, "{all} names crowd the table");
    }

    #[test]
    fn every_name_is_found_and_no_other() {
        let found = Names::default();
        for (slot, names) in NAMES {
            for name in names.split(' ') {
                assert_eq!(found.slot(name.as_bytes()), Some(*slot), "{name}");
            }
        }
        assert_eq!(found.slot(b"k8s.pod.name"), None);
        assert_eq!(found.slot(b""), None);
    }

    #[test]
    fn slots_stand_in_their_own_order() {
        assert_eq!(NAMES.len(), SLOTS);
        assert!(NAMES.iter().enumerate().all(|(at, (slot, _))| *slot as usize == at));
    }
}
