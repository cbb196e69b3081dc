// A column of a new table, as DDL.
#pragma once

#include <string>

#include "copier/catalog/table.h"

namespace pgfanout {

/// Identity belongs to the parent alone: from version 17 on a table with an identity column cannot
/// be attached, and before that a leaf's own is never used.
enum class TableRole : unsigned char { parent, leaf };

/// "name type COLLATE ... DEFAULT ... NOT NULL". `identity_options` are those of its sequence.
/// Servers before 18 know no virtual columns: there they are stored.
[[nodiscard]] std::string column_definition(const Column& column, TableRole role,
                                            const std::string& identity_options,
                                            int server_version);

/// Column settings that CREATE TABLE cannot express on every version: "ALTER COLUMN a SET STORAGE
/// EXTERNAL, ...". Empty if there is nothing.
[[nodiscard]] std::string column_settings(const Column& column);

}  // namespace pgfanout
