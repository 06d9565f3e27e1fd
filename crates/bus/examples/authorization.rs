//! Prints the `authorization` block for the configuration of one's own NATS server. Passwords come from the environment of the
//! server: `QUIRE_BUS_PASSWORD_VOLUME` and so on.

use bus::Password;

fn main() {
    let variable = |user: &str| format!("QUIRE_BUS_PASSWORD_{}", user.to_uppercase());
    print!(
        "{}",
        bus::authorization(|user| Password::Variable(variable(user)))
    );
}
