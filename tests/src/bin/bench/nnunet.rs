//! The service against nnU-Net v2 on the processor, volume in to mask out.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use cinecor_tests::client::Client;
use cinecor_tests::host::{Options, root};
use cinecor_tests::volumes;

use crate::report::{Goal, Part, Row};
use crate::service::{Asked, Turns, one_shot, python, ready};

pub(crate) fn against_nnunet(options: &Options) -> Result<Part> {
    let folder = root().join("tests/bench/nnunet");
    let mut nnunet = Asked::start(
        Command::new(python("CINECOR_NNUNET_PYTHON")?)
            .arg(folder.join("predict.py"))
            .arg(folder.join("plans.json"))
            .arg(folder.join("dataset.json")),
    )?;
    let (host, _) = ready(options)?;
    let client = Client::new(&host);
    let volume = volumes::phantom(11, 1)?;
    let scratch = tempfile::tempdir()?;
    let file = scratch.path().join("volume.nii.gz");
    std::fs::write(&file, &volume)?;
    let (mut ours, mut plain, mut mirrored) = (Vec::new(), Vec::new(), Vec::new());
    one_shot(&client, &volume)?.model()?;
    nnunet.ask(&format!("{} 0", file.display()))?;
    Turns {
        wanted: 5,
        least: 2,
        longest: Duration::from_secs(60),
    }
    .each(|| {
        ours.push(one_shot(&client, &volume)?.ms);
        plain.push(nnunet.ask(&format!("{} 0", file.display()))?);
        mirrored.push(nnunet.ask(&format!("{} 1", file.display()))?);
        Ok(())
    })?;
    let row = |what: &str, theirs| Row {
        what: format!("11 slices of 256 × 256, nnU-Net {what}"),
        unit: "ms",
        ours: theirs,
        theirs: ours.clone(),
        goal: Goal::AtLeast(10.0),
    };
    Ok(Part {
        sides: ["nnU-Net v2", "service"],
        rows: vec![row("without mirroring", plain), row("with mirroring, its default", mirrored)],
        notes: vec![
            "The service answers over HTTP with mask, volumes and checks; of nnU-Net the prediction alone counts, by its own predictor in a process that is \
             warm: one fold of the 2-D network that its planner chose on ACDC's 78 training patients (patches of 256 × 224, 6 stages, 32 to 512 features), \
             windows that overlap by half, every core. Its weights are random, so its masks mean nothing: only the time is compared, and that does not depend on them."
                .to_owned(),
        ],
    })
}
