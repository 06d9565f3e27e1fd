//! Doubles of services that the tested one calls.

/// Implements a service for a double: the calls that are written out, and a refusal of each of the others.
///
/// The service's messages are in the module `$wire`; the caller depends on `tonic` and `chassis`.
#[macro_export]
macro_rules! play {
    ($service:ident as $double:ty, $wire:ident: { $($calls:tt)* } without $($call:ident($request:ident) -> $response:ident,)*) => {
        #[tonic::async_trait]
        impl $service for $double {
            $($calls)*
            $(async fn $call(
                &self,
                _: tonic::Request<$wire::$request>,
            ) -> std::result::Result<tonic::Response<$wire::$response>, tonic::Status> {
                Err(chassis::Error::not_found("call", stringify!($call)).into())
            })*
        }
    };
}
