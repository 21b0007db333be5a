#include "jinja/analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "jinja/lexer.h"
#include "jinja/symbols.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

using ExprVisitor = std::function<void(Expr&)>;

void visit_expression(Expr* expr, const ExprVisitor& visit) {
  if (!expr) return;
  visit(*expr);
  for (const ExprPtr& child : expr->children) visit_expression(child.get(), visit);
  for (const auto& [name, value] : expr->keywords) visit_expression(value.get(), visit);
  visit_expression(expr->star.get(), visit);
  visit_expression(expr->double_star.get(), visit);
}

// Which of `wanted` a body reads before it has stored them, in jinja2's order of visiting; blocks are not
// entered.
class UndeclaredNames {
 public:
  UndeclaredNames(const Template& tree, std::set<std::string> wanted)
      : tree_(tree), wanted_(std::move(wanted)) {}
  std::set<std::string> found;

  void body(const Body& statements) {
    for (const StmtPtr& stmt : statements) statement(*stmt);
  }

 private:
  void expression(Expr* expr) {
    visit_expression(expr, [&](Expr& e) {
      if (e.kind != ExprKind::name) return;
      const std::string& name = tree_.names[e.symbol];
      if (e.stores) {
        wanted_.erase(name);
      } else if (wanted_.contains(name)) {
        found.insert(name);
      }
    });
  }
  void signature(const Signature& s) {
    for (const std::string& name : s.names) wanted_.erase(name);
    for (const ExprPtr& value : s.defaults) expression(value.get());
  }
  void statement(Stmt& stmt) {
    if (stmt.kind == StmtKind::block) return;
    if (stmt.kind == StmtKind::call_block) expression(stmt.iter.get());
    signature(stmt.signature);
    for (const ExprPtr& target : stmt.targets) expression(target.get());
    for (const ExprPtr& value : stmt.expressions) expression(value.get());
    expression(stmt.target.get());
    if (stmt.kind != StmtKind::call_block && stmt.kind != StmtKind::filter_block) expression(stmt.iter.get());
    for (const Branch& branch : stmt.branches) {
      expression(branch.test.get());
      body(branch.body);
    }
    body(stmt.body);
    body(stmt.otherwise);
    if (stmt.kind == StmtKind::filter_block) expression(stmt.iter.get());
    expression(stmt.test.get());
  }

  const Template& tree_;
  std::set<std::string> wanted_;
};

class Analyser {
 public:
  explicit Analyser(Template& tree) : tree_(tree) {}

  // `soft`: inside an if or a conditional expression, where unknown filters are an error only when reached.
  void body(Body& statements, bool soft, bool in_loop) {
    for (const StmtPtr& stmt : statements) statement(*stmt, soft, in_loop);
  }

 private:
  [[noreturn]] void error(int line, const std::string& message) const {
    syntax_error(tree_.name, line, message);
  }

  void expression(Expr* expr, bool soft) {
    if (!expr) return;
    if (!soft && expr->kind == ExprKind::filter && !is_filter(expr->text))
      error(expr->line, fmt::format("No filter named {}.", repr(expr->text)));
    if (!soft && expr->kind == ExprKind::test && !is_test(expr->text))
      error(expr->line, fmt::format("No test named {}.", repr(expr->text)));
    const bool inner = soft || expr->kind == ExprKind::conditional;
    for (const ExprPtr& child : expr->children) expression(child.get(), inner);
    for (const auto& [name, value] : expr->keywords) expression(value.get(), inner);
    expression(expr->star.get(), inner);
    expression(expr->double_star.get(), inner);
  }

  void stores_loop(Stmt& stmt) const {
    const auto check = [&](Expr* expr) {
      visit_expression(expr, [&](Expr& e) {
        if (e.kind == ExprKind::name && e.stores && tree_.names[e.symbol] == "loop")
          error(e.line, "Can't assign to special loop variable in for-loop target");
      });
    };
    check(stmt.target.get());
    for (const ExprPtr& target : stmt.targets) check(target.get());
    for (const Branch& branch : stmt.branches)
      for (const StmtPtr& inner : branch.body) stores_loop(*inner);
    for (const StmtPtr& inner : stmt.body) stores_loop(*inner);
    for (const StmtPtr& inner : stmt.otherwise) stores_loop(*inner);
  }

  void signature(Stmt& stmt) {
    Signature& s = stmt.signature;
    UndeclaredNames names(tree_, {"caller", "kwargs", "varargs"});
    names.body(stmt.body);
    const auto declared = [&](const char* name) {
      return std::find(s.names.begin(), s.names.end(), name) != s.names.end();
    };
    s.uses_caller = names.found.contains("caller");
    s.uses_kwargs = names.found.contains("kwargs") && !declared("kwargs");
    s.uses_varargs = names.found.contains("varargs") && !declared("varargs");
    if (s.uses_caller) {
      const auto at = std::find(s.names.begin(), s.names.end(), "caller");
      const size_t without_default = s.names.size() - s.defaults.size();
      if (at != s.names.end() && static_cast<size_t>(at - s.names.begin()) < without_default)
        error(stmt.line,
              "When defining macros or call blocks the special \"caller\" argument must be omitted or be "
              "given a "
              "default.");
    }
    for (const ExprPtr& value : s.defaults) expression(value.get(), false);
  }

  void statement(Stmt& stmt, bool soft, bool in_loop) {
    switch (stmt.kind) {
      case StmtKind::data:
      case StmtKind::load:
        return;
      case StmtKind::output:
        for (const ExprPtr& value : stmt.expressions) expression(value.get(), soft);
        return;
      case StmtKind::condition:
        for (Branch& branch : stmt.branches) {
          expression(branch.test.get(), true);
          body(branch.body, true, in_loop);
        }
        return;
      case StmtKind::loop: {
        UndeclaredNames names(tree_, {"loop"});
        names.body(stmt.body);
        stmt.uses_loop = stmt.recursive || names.found.contains("loop") || has_scoped_block(stmt);
        stores_loop(stmt);
        expression(stmt.iter.get(), soft);
        expression(stmt.test.get(), false);
        body(stmt.body, false, true);
        body(stmt.otherwise, false, in_loop && !stmt.recursive);
        return;
      }
      case StmtKind::assign:
        expression(stmt.iter.get(), soft);
        return;
      case StmtKind::assign_block:
        expression(stmt.iter.get(), false);
        body(stmt.body, false, in_loop);
        return;
      case StmtKind::macro:
      case StmtKind::call_block:
        expression(stmt.iter.get(), soft);
        signature(stmt);
        body(stmt.body, false, false);
        return;
      case StmtKind::filter_block:
        expression(stmt.iter.get(), false);
        body(stmt.body, false, in_loop);
        return;
      case StmtKind::with:
        for (const ExprPtr& value : stmt.expressions) expression(value.get(), soft);
        body(stmt.body, false, in_loop);
        return;
      case StmtKind::block:
        for (const auto& [name, known] : tree_.blocks)
          if (name == stmt.text) error(stmt.line, fmt::format("block {} defined twice", repr(name)));
        tree_.blocks.emplace_back(stmt.text, &stmt);
        body(stmt.body, false, false);
        return;
      case StmtKind::break_loop:
        if (!in_loop) error(stmt.line, "'break' outside loop");
        return;
      case StmtKind::continue_loop:
        if (!in_loop) error(stmt.line, "'continue' not properly in loop");
        return;
    }
  }

  static bool has_scoped_block(const Stmt& stmt) {
    const auto any = [](const Body& statements) {
      return std::any_of(statements.begin(), statements.end(), [](const StmtPtr& inner) {
        return (inner->kind == StmtKind::block && inner->scoped) || has_scoped_block(*inner);
      });
    };
    return any(stmt.body) || any(stmt.otherwise) ||
           std::any_of(stmt.branches.begin(), stmt.branches.end(),
                       [&](const Branch& b) { return any(b.body); });
  }

  Template& tree_;
};

}  // namespace

void analyse(Template& tree) {
  Analyser(tree).body(tree.body, false, false);
  find_hidden_names(tree);
}

}  // namespace circuitdiff::jinja
