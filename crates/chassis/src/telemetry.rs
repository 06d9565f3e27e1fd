//! Logs, traces and metrics. Traces and metrics go out by OTLP where a collector is named; metrics are also on `/metrics`.
//! Trace context follows the W3C recommendation, through gRPC metadata and NATS headers alike.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use prometheus::{Encoder as _, TextEncoder};
use serde::{Deserialize, Serialize};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

/// How a program tells what it does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// Which log lines are written, such as `info,scheduler=debug`.
    pub log: String,
    /// Log lines as JSON.
    pub json: bool,
    /// Address of an OTLP collector (gRPC); empty = none.
    pub otlp: String,
    /// Where `/metrics` is served for Prometheus; none = not at all.
    pub metrics: Option<SocketAddr>,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            log: "info".to_owned(),
            json: false,
            otlp: String::new(),
            metrics: None,
        }
    }
}

/// Telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("setting up telemetry: {0}")]
pub struct TelemetryError(String);

/// Keeps telemetry going; [`Telemetry::shutdown`] sends what is left.
#[derive(Debug)]
pub struct Telemetry {
    traces: Option<SdkTracerProvider>,
    metrics: SdkMeterProvider,
    registry: prometheus::Registry,
}

/// Sets up logs, traces and metrics of this process, once.
///
/// # Errors
/// A wrong filter, or a collector address that cannot be read.
pub fn start(service: &'static str, config: &TelemetryConfig) -> Result<Telemetry, TelemetryError> {
    let failed = |error: &dyn std::fmt::Display| TelemetryError(error.to_string());
    let resource = Resource::builder().with_service_name(service).build();
    let registry = prometheus::Registry::new();
    let page = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .build()
        .map_err(|error| failed(&error))?;
    let mut metrics = SdkMeterProvider::builder()
        .with_reader(page)
        .with_resource(resource.clone());
    let mut traces = None;
    if !config.otlp.is_empty() {
        let exporter = opentelemetry_otlp::MetricExporter::builder()
            .with_tonic()
            .with_endpoint(&config.otlp)
            .build()
            .map_err(|error| failed(&error))?;
        metrics = metrics.with_periodic_exporter(exporter);
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_tonic()
            .with_endpoint(&config.otlp)
            .build()
            .map_err(|error| failed(&error))?;
        traces = Some(
            SdkTracerProvider::builder()
                .with_batch_exporter(exporter)
                .with_resource(resource)
                .build(),
        );
    }
    let metrics = metrics.build();
    global::set_meter_provider(metrics.clone());

    let filter = EnvFilter::try_new(&config.log).map_err(|error| failed(&error))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if config.json {
        lines.json().boxed()
    } else {
        lines.with_ansi(false).boxed()
    };
    // Those of libraries are finer than that, and the sending of spans would make more of them.
    let spans = traces.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(service))
            .with_filter(LevelFilter::INFO)
    });
    tracing_subscriber::registry()
        .with(spans)
        .with(lines.with_filter(filter))
        .try_init()
        .map_err(|error| failed(&error))?;
    Ok(Telemetry {
        traces,
        metrics,
        registry,
    })
}

impl Telemetry {
    /// The metrics in Prometheus' text format.
    pub fn page(&self) -> MetricsPage {
        MetricsPage(self.registry.clone())
    }

    /// Sends what is left.
    pub fn shutdown(self) {
        if let Some(traces) = self.traces {
            traces.shutdown().ok();
        }
        self.metrics.shutdown().ok();
    }
}

/// Gives the metrics of this process.
#[derive(Clone, Debug)]
pub struct MetricsPage(prometheus::Registry);

impl MetricsPage {
    /// All metrics in Prometheus' text format, version 0.0.4.
    pub fn render(&self) -> String {
        let mut page = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.0.gather(), &mut page) {
            tracing::warn!(%error, "rendering metrics");
        }
        String::from_utf8_lossy(&page).into_owned()
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Makes `span` a child of the trace that `headers` carry.
pub fn continue_trace(span: &Span, headers: &HeaderMap) {
    let context = TraceContextPropagator::new().extract(&Headers(headers));
    span.set_parent(context).ok();
}

/// Makes `span` a child of the trace that a `traceparent` names.
pub fn continue_trace_from(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    span.set_parent(TraceContextPropagator::new().extract(&carrier))
        .ok();
}

#[derive(Default)]
struct TraceParent(Option<String>);

impl Injector for TraceParent {
    fn set(&mut self, key: &str, value: String) {
        if key == "traceparent" {
            self.0 = Some(value);
        }
    }
}

/// The `traceparent` of the current span; `None` outside a trace.
pub fn traceparent() -> Option<String> {
    let mut carrier = TraceParent::default();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    carrier.0
}

/// How often a service counts its rows for its gauges.
pub const COUNT_EVERY: Duration = Duration::from_secs(15);

/// How many things there are of each kind. Told as a whole each time: a kind that has none any more reads 0.
#[derive(Clone, Debug)]
pub struct Tally {
    gauge: Gauge<u64>,
    label: &'static str,
    told: Arc<Mutex<BTreeSet<String>>>,
}

impl Tally {
    /// A gauge `name` by `label`.
    pub fn new(name: &'static str, description: &'static str, label: &'static str) -> Self {
        Self {
            gauge: global::meter("quire")
                .u64_gauge(name)
                .with_description(description)
                .build(),
            label,
            told: Arc::default(),
        }
    }

    /// How many there are now, by kind.
    pub fn set<K: Into<String>>(&self, counts: impl IntoIterator<Item = (K, u64)>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = told.clone();
        for (kind, count) in counts {
            let kind = kind.into();
            self.record(&kind, count);
            gone.remove(&kind);
            told.insert(kind);
        }
        for kind in gone {
            self.record(&kind, 0);
        }
    }

    fn record(&self, kind: &str, count: u64) {
        let kind = KeyValue::new(self.label, kind.to_owned());
        self.gauge.record(count, &[kind]);
    }
}

/// Counts and times the calls of one gRPC server.
#[derive(Clone, Debug)]
pub struct CallMetrics {
    area: &'static str,
    calls: Counter<u64>,
    seconds: Histogram<f64>,
}

impl CallMetrics {
    /// Metrics `quire_calls` and `quire_call_seconds` with the area as a label.
    pub fn new(area: &'static str) -> Self {
        let meter = global::meter("quire");
        Self {
            area,
            calls: meter
                .u64_counter("quire_calls")
                .with_description("gRPC calls answered")
                .build(),
            seconds: meter
                .f64_histogram("quire_call_seconds")
                .with_description("time to answer a gRPC call, streams until their first answer")
                .build(),
        }
    }

    /// Counts one call.
    pub fn record(&self, path: &str, headers: &HeaderMap, took: Duration) {
        let call = path.rsplit('/').next().unwrap_or(path).to_owned();
        let status = headers
            .get("grpc-status")
            .and_then(|status| status.to_str().ok())
            .unwrap_or("0")
            .to_owned();
        let labels = [
            KeyValue::new("area", self.area),
            KeyValue::new("call", call),
            KeyValue::new("status", status),
        ];
        self.calls.add(1, &labels);
        self.seconds.record(took.as_secs_f64(), &labels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_has_none_any_more_reads_0() {
        let registry = prometheus::Registry::new();
        let page = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .build()
            .unwrap();
        global::set_meter_provider(SdkMeterProvider::builder().with_reader(page).build());
        let tally = Tally::new("sample", "things, by colour", "colour");
        tally.set([("red", 2), ("blue", 1)]);
        tally.set([("red", 3)]);
        let page = MetricsPage(registry).render();
        let value = |colour: &str| {
            let line = page
                .lines()
                .find(|line| line.starts_with("sample{") && line.contains(colour));
            line.and_then(|line| line.rsplit_once(' '))
                .map(|(_, value)| value)
        };
        assert_eq!(
            (value("red"), value("blue")),
            (Some("3"), Some("0")),
            "{page}"
        );
    }
}
