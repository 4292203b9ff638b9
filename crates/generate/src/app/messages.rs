//! What the services of the application say. Places in braces are filled in, see `Application::fill`.

/// A message as its author wrote it.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) level: &'static str,
    /// Its place in [`SERVICES`].
    pub(crate) service: usize,
    pub(crate) logger: &'static str,
    pub(crate) text: &'static str,
}

const fn info(service: usize, logger: &'static str, text: &'static str) -> Message {
    Message { level: "INFO", service, logger, text }
}

const fn level(level: &'static str, service: usize, logger: &'static str, text: &'static str) -> Message {
    Message { level, service, logger, text }
}

pub(crate) const SERVICES: [&str; 7] = ["gateway", "orders", "payments", "inventory", "auth", "mailer", "scheduler"];

/// The most frequent first; frequencies fall as 1 / rank.
pub(crate) const NORMAL: [Message; 34] = [
    info(0, "AccessLog", "GET /api/v1/items 200 in {ms} ms for {ip}"),
    info(1, "OrderService", "order {id} loaded for customer {id} in {ms} ms"),
    info(0, "AccessLog", "POST /api/v1/cart 201 in {ms} ms for {ip}"),
    info(2, "PaymentService", "payment {id} authorised, amount {n}.{c} EUR, took {ms} ms"),
    info(3, "StockService", "reserved {n} of item {id} in warehouse {n}"),
    info(1, "OrderService", "order {id} placed by customer {id}, {n} items"),
    info(4, "TokenService", "issued token {x} for user {id}"),
    info(0, "AccessLog", "GET /api/v1/orders/{id} 200 in {ms} ms for {ip}"),
    info(2, "PaymentService", "payment {id} captured in {ms} ms"),
    level("DEBUG", 1, "OrderRepository", "query took {ms} ms, {n} rows"),
    info(3, "StockService", "released {n} of item {id} in warehouse {n}"),
    info(5, "MailSender", "mail {x} handed over to relay in {ms} ms"),
    info(6, "JobRunner", "job cleanup-carts finished, {n} carts removed in {ms} ms"),
    info(4, "LoginService", "user {id} logged in from {ip}"),
    info(0, "RateLimiter", "bucket refilled for client {x}"),
    info(1, "EventPublisher", "published event {x} to topic orders partition {n}"),
    info(2, "LedgerWriter", "wrote {n} entries to ledger {id}"),
    level("WARN", 0, "AccessLog", "GET /api/v1/search 200 slow, took {slow} ms for {ip}"),
    info(3, "SupplierClient", "received {n} prices from supplier {n} in {ms} ms"),
    info(6, "JobRunner", "job refresh-prices finished, {n} prices changed in {ms} ms"),
    info(4, "SessionStore", "expired {n} sessions"),
    info(1, "OrderService", "order {id} shipped with parcel {x}"),
    level("WARN", 4, "LoginService", "wrong password for user {id} from {ip}, attempt 1"),
    info(5, "TemplateCache", "rendered template order-confirmation in {ms} ms"),
    level("DEBUG", 2, "GatewayClient", "connection {n} reused, idle {ms} ms"),
    level("WARN", 3, "StockService", "item {id} is low, {n} left in warehouse {n}"),
    info(6, "LeaderElection", "lease renewed for node-{n}"),
    level("WARN", 2, "GatewayClient", "retry 1 of 3 for payment {id} after timeout of {slow} ms"),
    info(0, "HealthCheck", "all {n} upstreams healthy"),
    info(1, "InvoiceService", "invoice {id} created for order {id}"),
    level("WARN", 5, "MailSender", "relay deferred mail {x}, next try in {n} minutes"),
    info(4, "KeyRotation", "signing key {x} is valid for {n} more days"),
    info(3, "SnapshotWriter", "snapshot {id} written, {n} MB in {slow} ms"),
    level("WARN", 6, "JobRunner", "job export-orders took {slow} ms, longer than usual"),
];

/// The first three occur alone in normal life, the others in bursts.
pub(crate) const ERRORS: [Message; 9] = [
    level("ERROR", 2, "GatewayClient", "payment {id} declined by issuer, code {n}"),
    level("ERROR", 5, "MailSender", "mail {x} bounced: mailbox full"),
    level("ERROR", 1, "OrderService", "order {id} rejected: address of customer {id} is incomplete"),
    level("ERROR", 1, "OrderRepository", "could not acquire connection from pool after {slow} ms, {n} waiting"),
    level("ERROR", 1, "OrderService", "order {id} failed: database unavailable"),
    level("ERROR", 2, "GatewayClient", "payment {id} failed: connection refused by gateway, status 503"),
    level("ERROR", 3, "StockService", "lock on item {id} timed out after {slow} ms"),
    level("ERROR", 0, "AccessLog", "POST /api/v1/checkout 500 in {slow} ms for {ip}"),
    level("ERROR", 4, "TokenService", "could not verify token {x}: key store unreachable"),
];

pub(crate) const EXCEPTIONS: [Message; 5] = [
    level(
        "ERROR",
        1,
        "OrderService",
        "java.lang.NullPointerException: Cannot invoke \"Discount.rate()\" because \"discount\" is null at shop.orders.PriceCalculator.total(PriceCalculator.java:{n}) at shop.orders.OrderService.place(OrderService.java:118) at shop.orders.OrderController.post(OrderController.java:57)",
    ),
    level(
        "ERROR",
        2,
        "LedgerWriter",
        "java.lang.ArithmeticException: Rounding necessary at java.math.BigDecimal.commonNeedIncrement(BigDecimal.java:4628) at shop.payments.LedgerWriter.split(LedgerWriter.java:{n}) at shop.payments.LedgerWriter.write(LedgerWriter.java:71)",
    ),
    level(
        "ERROR",
        3,
        "SupplierClient",
        "com.fasterxml.jackson.core.JsonParseException: Unexpected character ('<' (code 60)) at shop.inventory.SupplierClient.parse(SupplierClient.java:{n}) at shop.inventory.SupplierClient.poll(SupplierClient.java:39)",
    ),
    level(
        "ERROR",
        5,
        "TemplateCache",
        "java.util.ConcurrentModificationException at java.util.HashMap$HashIterator.nextNode(HashMap.java:1597) at shop.mailer.TemplateCache.evict(TemplateCache.java:{n}) at shop.mailer.MailSender.send(MailSender.java:88)",
    ),
    level(
        "ERROR",
        4,
        "SessionStore",
        "java.lang.StackOverflowError at shop.auth.RoleResolver.parents(RoleResolver.java:{n}) at shop.auth.RoleResolver.parents(RoleResolver.java:{n}) at shop.auth.SessionStore.load(SessionStore.java:64)",
    ),
];

pub(crate) const FATALS: [Message; 4] = [
    level("FATAL", 2, "Main", "out of memory: Java heap space, shutting down"),
    level("CRITICAL", 1, "Main", "cannot reach any database node, stopping"),
    level("FATAL", 3, "SnapshotWriter", "disk full while writing snapshot {id}, aborting"),
    level("CRITICAL", 4, "KeyRotation", "signing key {x} is corrupt, refusing to start"),
];

pub(crate) const KEYWORDS: [Message; 6] = [
    level("WARN", 4, "LoginService", "unauthorized access attempt on /admin by user {id} from {ip}"),
    level("WARN", 0, "RequestFilter", "possible breach: unexpected outbound connection to {ip}"),
    level("ERROR", 4, "AuditLog", "possible breach detected, {n} records read outside business hours by user {id}"),
    level("WARN", 0, "RequestFilter", "blocked request from {ip}: exploit signature {id} matched"),
    level("WARN", 0, "RequestFilter", "attack suspected, {n} malicious payloads from {ip}"),
    level("WARN", 4, "TokenService", "token {x} of user {id} used from {ip}: unauthorized"),
];
