//! A collector of traces and metrics that the programs report to, and what it must have heard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

/// The request that makes a notebook, as the gateway names it.
const CREATE: &str = "/quire.notebook.v1.NotebookService/CreateNotebook";

/// One span, as far as these tests look.
#[derive(Clone, Debug)]
struct Span {
    trace: Vec<u8>,
    program: String,
    name: String,
}

/// A running collector; its programs are told where it listens.
#[derive(Clone, Debug)]
pub(crate) struct Collector {
    spans: Arc<Mutex<Vec<Span>>>,
    /// Newest values by metric and label.
    values: Arc<Mutex<BTreeMap<(String, String), i64>>>,
    address: String,
}

fn text(attribute: &KeyValue) -> Option<&str> {
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

fn program(resource: Option<&Resource>) -> String {
    let attributes = resource.map(|resource| &resource.attributes);
    attributes
        .into_iter()
        .flatten()
        .find(|attribute| attribute.key == "service.name")
        .and_then(text)
        .unwrap_or_default()
        .to_owned()
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.spans.lock().unwrap();
        for resource in request.into_inner().resource_spans {
            let program = program(resource.resource.as_ref());
            let reported = resource
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans);
            spans.extend(reported.map(|span| Span {
                trace: span.trace_id,
                program: program.clone(),
                name: span.name,
            }));
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut values = self.values.lock().unwrap();
        let metrics = request
            .into_inner()
            .resource_metrics
            .into_iter()
            .flat_map(|resource| resource.scope_metrics)
            .flat_map(|scope| scope.metrics);
        for metric in metrics {
            let points = match metric.data {
                Some(Data::Gauge(gauge)) => gauge.data_points,
                Some(Data::Sum(sum)) => sum.data_points,
                _ => continue,
            };
            for point in points {
                let Some(number_data_point::Value::AsInt(value)) = point.value else {
                    continue;
                };
                let label = point.attributes.first().and_then(text).unwrap_or_default();
                values.insert((metric.name.clone(), label.to_owned()), value);
            }
        }
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

impl Collector {
    /// Starts one that ends with the test.
    pub(crate) fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let collector = Self {
            spans: Arc::default(),
            values: Arc::default(),
            address: format!("http://{}", listener.local_addr().unwrap()),
        };
        let incoming = TcpListenerStream::new(TcpListener::from_std(listener).unwrap());
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(collector.clone()))
            .add_service(MetricsServiceServer::new(collector.clone()));
        tokio::spawn(server.serve_with_incoming(incoming));
        collector
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Programs and their spans in the one trace that has the span `name` of `program`.
    fn trace_of(&self, program: &str, name: &str) -> BTreeMap<String, BTreeSet<String>> {
        let spans = self.spans.lock().unwrap();
        let mut found = BTreeMap::<String, BTreeSet<String>>::new();
        let root = spans
            .iter()
            .find(|span| span.program == program && span.name == name);
        for span in root
            .into_iter()
            .flat_map(|root| spans.iter().filter(|span| span.trace == root.trace))
        {
            found
                .entry(span.program.clone())
                .or_default()
                .insert(span.name.clone());
        }
        found
    }

    /// Waits until one trace goes from the request that made a notebook to the node where Jupyter answered.
    pub(crate) async fn wait_for_a_start(&self) {
        let steps = [
            ("notebook", "mend"),
            ("scheduler", "place"),
            ("scheduler", "assign"),
            ("agent", "prepare"),
            ("agent", "launch"),
            ("agent", "await answer"),
        ];
        let has_all = || async {
            let trace = self.trace_of("gateway", CREATE);
            let has = |(program, step): &(&str, &str)| {
                trace
                    .get(*program)
                    .is_some_and(|spans| spans.contains(*step))
            };
            steps.iter().all(has).then_some(())
        };
        testkit::eventually("one trace from the request to the node", has_all).await;
    }

    /// Waits until the gauges say what there is after one notebook ran on one node and was stopped.
    pub(crate) async fn wait_for_counts(&self) {
        let expected = [
            ("quire_leader", "", 1),
            ("quire_nodes", "ready", 1),
            ("quire_notebooks", "stopped", 1),
            // Its own files, and what its team shares.
            ("quire_volumes", "ready", 2),
        ];
        let all = || async {
            let values = self.values.lock().unwrap();
            let value = |metric: &str, label: &str| {
                values.get(&(metric.to_owned(), label.to_owned())).copied()
            };
            let told = expected
                .iter()
                .all(|(metric, label, count)| value(metric, label) == Some(*count));
            let exchanged = value("quire_key_exchanges", "granted").unwrap_or_default();
            (told && exchanged > 0).then_some(())
        };
        testkit::eventually("gauges that tell what there is", all).await;
    }
}
