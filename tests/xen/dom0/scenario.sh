# SPDX-License-Identifier: GPL-2.0-or-later
# The scenario that the kernel's command line names, with all that it may use.
. /lab/lab.sh
. /lab/look.sh
. /lab/steps.sh
. /lab/services.sh
. /lab/traffic.sh
. "/lab/scenario-$(option lab smoke).sh"
end
