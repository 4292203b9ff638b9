//! Every route, with the role it needs. The documentation is made from this list, so it cannot leave one out.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, ResponseBuilder, Tag};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{App, Role, anomalies, auth, detect, docs, error, events, health, incidents, intake, layers, metrics, stats};

/// What is served, and its description.
pub(super) fn all() -> (OpenApiRouter<App>, [(Role, OpenApiRouter<App>); 3]) {
    let open = OpenApiRouter::default().routes(routes!(health::get_health)).routes(routes!(health::get_ready));
    let viewer = OpenApiRouter::default()
        .routes(routes!(docs::get_home))
        .routes(routes!(docs::get_docs))
        .routes(routes!(docs::get_style))
        .routes(routes!(docs::get_openapi))
        .routes(routes!(anomalies::list))
        .routes(routes!(anomalies::get_one))
        .routes(routes!(anomalies::get_reach))
        .routes(routes!(anomalies::list_marks))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::get_one))
        .routes(routes!(events::get_events))
        .routes(routes!(stats::get_stats))
        .routes(routes!(metrics::get_metrics));
    let analyst = OpenApiRouter::default()
        .routes(routes!(intake::post_logs))
        .routes(routes!(detect::post_detect))
        .routes(routes!(detect::post_batch))
        .routes(routes!(anomalies::post_one))
        .routes(routes!(anomalies::patch_one));
    let admin = OpenApiRouter::default()
        .routes(routes!(anomalies::delete_one))
        .routes(routes!(detect::post_reset))
        .routes(routes!(detect::post_reset_all));
    (open, [(Role::Viewer, viewer), (Role::Analyst, analyst), (Role::Admin, admin)])
}

/// The description of all routes: OpenAPI 3.1.
pub(super) fn openapi() -> OpenApi {
    let (open, groups) = all();
    let mut api = described();
    api.merge(open.into_openapi());
    for (role, group) in groups {
        let mut group = group.into_openapi();
        group.paths.paths.values_mut().flat_map(operations).for_each(|operation| secure(operation, role));
        api.merge(group);
    }
    api
}

/// The router: each group behind its role, all of it behind what every request passes.
pub(super) fn router(app: &App, cors: CorsLayer) -> Router {
    let (open, groups) = all();
    let mut router: Router<App> = open.into();
    for (role, group) in groups {
        let group: Router<App> = group.into();
        router = router.merge(group.route_layer(from_fn_with_state((Arc::clone(app), role), auth::require)));
    }
    router
        .fallback(layers::nowhere)
        .layer(CatchPanicLayer::custom(error::of_panic))
        .layer(from_fn_with_state(Arc::clone(app), layers::around))
        .layer(cors)
        .with_state(Arc::clone(app))
}

fn described() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Lapwing")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Real-time anomaly detection for logs, HTTP access logs and network flows. Errors have one form everywhere: `{\"error\": {\"code\", \"message\", \"help\"}}`."))
        .build();
    let tag = |name: &str, what: &str| {
        let mut tag = Tag::new(name);
        tag.description = Some(what.to_owned());
        tag
    };
    let tags = vec![
        tag("logs", "Send logs to be judged."),
        tag("detect", "Ask what is thought of a line, without the pipeline."),
        tag("anomalies", "What was found, and what people say of it."),
        tag("service", "How the service is."),
        tag("pages", "For people with a browser."),
    ];
    let mut api = OpenApiBuilder::new().info(info).tags(Some(tags)).build();
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token of server.tokens. Asked for as soon as one is set."))
        .build();
    let mut components = Components::new();
    components.security_schemes.insert("bearer".to_owned(), SecurityScheme::Http(scheme).into());
    api.components = Some(components);
    api
}

fn operations(path: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut path.get, &mut path.post, &mut path.patch, &mut path.delete].into_iter().filter_map(Option::as_mut)
}

/// Says which role an operation needs and what it answers to others.
fn secure(operation: &mut Operation, role: Role) {
    operation.security = Some(vec![SecurityRequirement::new("bearer", [role.name()])]);
    let refusals = [
        ("401", "No token, or not one that is known".to_owned()),
        ("403", format!("The token is not of role `{}` or higher, or the request comes from a foreign page", role.name())),
        ("429", "Too many requests, or lapwing is behind: try again after `Retry-After` seconds".to_owned()),
    ];
    for (status, what) in refusals {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
        let refusal = ResponseBuilder::new().description(what).content("application/json", content).build();
        operation.responses.responses.entry(status.to_owned()).or_insert(refusal.into());
    }
}
