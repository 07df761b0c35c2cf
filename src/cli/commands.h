// SPDX-License-Identifier: Apache-2.0
// The commands of the executable, one file each.
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/options.h"

extern const struct command command_up, command_server, command_node, command_node_clean;
extern const struct command command_image_import, command_image_ls, command_image_rm, command_image_inspect;

// Options that `up` shares with the two halves it starts.
extern const struct option_spec server_options[], node_options[], data_dir_option[];

// What --data-dir and --service-range hold after parsing; both halves take them. And what the server alone takes.
extern const char *cli_data_dir, *cli_service_range, *cli_advertise_address, *cli_listen_address;

#define ONGGI_DATA_DIR "/var/lib/onggi"

#endif
