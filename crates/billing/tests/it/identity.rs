//! A stand-in for identity: it exchanges the keys that a test made for tokens, and nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use chassis::Address;
use chassis::auth::{Claims, KeySource, Principal, Signer, TOKEN_LIFETIME, User, Verifier};
use chassis::grpc::{Listener, Server};
use contracts::common::v1::Role;
use contracts::identity::v1 as wire;
use contracts::identity::v1::identity_service_server::{IdentityService, IdentityServiceServer};
use kernel::Clock;
use kernel::id::{TeamId, UserId};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// Key of the service itself.
pub(crate) const BILLING_KEY: &str = "billing";

/// Signs tokens for those who have a key.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    signer: Arc<Signer>,
    clock: Arc<dyn Clock>,
    principals: Arc<Mutex<HashMap<String, Principal>>>,
}

#[async_trait::async_trait]
impl KeySource for Identity {
    async fn keys(&self) -> chassis::Result<Vec<Vec<u8>>> {
        Ok(vec![self.signer.public_key().to_vec()])
    }
}

impl Identity {
    /// Serves on a free port until `cancel`.
    pub(crate) async fn start(clock: Arc<dyn Clock>, cancel: CancellationToken) -> (Self, Address) {
        let signer = Signer::from_pkcs8(&Signer::generate().unwrap()).unwrap();
        let billing = Principal::Service("billing".to_owned());
        let identity = Self {
            signer: Arc::new(signer),
            clock: clock.clone(),
            principals: Arc::new(Mutex::new(HashMap::from([(
                BILLING_KEY.to_owned(),
                billing,
            )]))),
        };
        let listener = Listener::bind(&Address::Http("127.0.0.1:0".to_owned()))
            .await
            .unwrap();
        let address = listener.address().clone();
        let verifier = Verifier::new(Arc::new(identity.clone()), clock);
        let routes = tonic::service::Routes::new(IdentityServiceServer::new(identity.clone()));
        tokio::spawn(Server::new("identity", verifier, routes).run(listener, cancel));
        (identity, address)
    }

    /// The key of a new user of `team`.
    pub(crate) fn user(&self, team: TeamId, role: Role, operator: bool) -> String {
        let id = UserId::generate();
        let scopes = vec!["*".to_owned()];
        let user = Principal::User(User {
            id,
            team,
            role,
            operator,
            scopes,
        });
        self.principals.lock().unwrap().insert(id.to_string(), user);
        id.to_string()
    }
}

/// Writes an implementation whose other calls are refused.
macro_rules! only {
    ($service:ident for $type:ident { $($calls:tt)* } refusing { $($name:ident($request:ident) -> $response:ident;)* }) => {
        #[tonic::async_trait]
        impl $service for $type {
            $($calls)*
            $(async fn $name(&self, _: Request<wire::$request>) -> Result<Response<wire::$response>, Status> {
                Err(Status::unimplemented("not part of this test"))
            })*
        }
    };
}
pub(crate) use only;

only!(IdentityService for Identity {
    async fn exchange_key(&self, request: Request<wire::ExchangeKeyRequest>) -> Result<Response<wire::ExchangeKeyResponse>, Status> {
        let principal = self.principals.lock().unwrap().get(&request.into_inner().key).cloned();
        let principal = principal.ok_or_else(|| Status::unauthenticated("the key is unknown"))?;
        let now = self.clock.now();
        let token = self.signer.sign(&Claims::new(&principal, now).unwrap())?;
        let expires_at = Some(contracts::to_wire_time(now + TOKEN_LIFETIME));
        Ok(Response::new(wire::ExchangeKeyResponse { token, expires_at }))
    }

    async fn list_verification_keys(
        &self,
        _: Request<wire::ListVerificationKeysRequest>,
    ) -> Result<Response<wire::ListVerificationKeysResponse>, Status> {
        Ok(Response::new(wire::ListVerificationKeysResponse { keys: self.keys().await? }))
    }
} refusing {
    get_session(GetSessionRequest) -> GetSessionResponse;
    create_team(CreateTeamRequest) -> CreateTeamResponse;
    list_teams(ListTeamsRequest) -> ListTeamsResponse;
    create_user(CreateUserRequest) -> CreateUserResponse;
    list_users(ListUsersRequest) -> ListUsersResponse;
    create_project(CreateProjectRequest) -> CreateProjectResponse;
    get_project(GetProjectRequest) -> GetProjectResponse;
    list_projects(ListProjectsRequest) -> ListProjectsResponse;
    create_api_key(CreateApiKeyRequest) -> CreateApiKeyResponse;
    list_api_keys(ListApiKeysRequest) -> ListApiKeysResponse;
    revoke_api_key(RevokeApiKeyRequest) -> RevokeApiKeyResponse;
    create_node_key(CreateNodeKeyRequest) -> CreateNodeKeyResponse;
});
