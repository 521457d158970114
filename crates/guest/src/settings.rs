//! The variables of the application, read once by an instance.

use std::cell::RefCell;
use std::rc::Rc;

use cinecor_web::{Access, Cors, Limits, Problem};
use spin_sdk::variables;

/// What is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may call.
    pub access: Access,
    /// What a request may ask for.
    pub limits: Limits,
}

thread_local! {
    static SETTINGS: RefCell<Option<Rc<Settings>>> = const { RefCell::new(None) };
}

/// A variable of the application; `None` when the component is not given it.
///
/// # Errors
/// A 500 when the variable is there and cannot be read.
pub async fn variable(name: &str) -> Result<Option<String>, Problem> {
    match variables::get(name).await {
        Ok(value) => Ok(Some(value)),
        Err(variables::Error::Undefined(_)) => Ok(None),
        Err(cause) => Err(Problem::internal(format!("variable {name}: {cause}"))),
    }
}

impl Settings {
    /// The settings of this instance.
    ///
    /// # Errors
    /// A 500 when a variable has a value that cannot be used: a typing error in the keys must not open the service.
    pub(crate) async fn load() -> Result<Rc<Settings>, Problem> {
        if let Some(settings) = SETTINGS.with_borrow(Option::clone) {
            return Ok(settings);
        }
        let cors = Cors::parse(&variable(Cors::VARIABLE).await?.unwrap_or_default())
            .map_err(Problem::internal)?;
        let access = Access::parse(&variable(Access::VARIABLE).await?.unwrap_or_default(), cors)
            .map_err(Problem::internal)?;
        let mut found = Vec::new();
        for name in Limits::VARIABLES {
            found.push((*name, variable(name).await?));
        }
        let lookup = |name: &str| {
            found
                .iter()
                .find(|(found, _)| *found == name)
                .and_then(|(_, value)| value.clone())
        };
        let limits = Limits::from_variables(lookup).map_err(Problem::internal)?;
        let settings = Rc::new(Settings { access, limits });
        SETTINGS.set(Some(Rc::clone(&settings)));
        Ok(settings)
    }

    /// The settings of a component that is given neither keys nor limits, because all it has is public.
    pub(crate) async fn load_open() -> Result<Rc<Settings>, Problem> {
        let cors = Cors::parse(&variable(Cors::VARIABLE).await?.unwrap_or_default())
            .map_err(Problem::internal)?;
        let access = Access::parse("", cors).map_err(Problem::internal)?;
        Ok(Rc::new(Settings {
            access,
            limits: Limits::default(),
        }))
    }
}
